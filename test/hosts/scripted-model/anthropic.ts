import { randomUUID } from "node:crypto";
import { z } from "zod";
import { findTool, type ModelRequest, type Turn } from "./model-request.js";
import type { Step } from "./script.js";
import type { StreamEvent, WireFormat } from "./wire-format.js";

/** Claude Code's: Anthropic's Messages. */
export const anthropic: WireFormat = {
  isAsked: (path) => path === "/v1/messages",
  keyOf: (headers) => headers["x-api-key"]?.toString(),
  read(body) {
    const { system, messages, tools } = bodySchema.parse(body);
    const all = [{ role: "system" as const, content: system }, ...messages];
    return { turns: all.flatMap(({ role, content }) => turnsOf(role, content)), tools };
  },
  write: (step, request) => [
    { type: "message_start", message: { ...message, id: `msg_${randomUUID()}` } },
    ...blockEvents(step, request),
    {
      type: "message_delta",
      delta: { stop_reason: "say" in step ? "end_turn" : "tool_use", stop_sequence: null },
      usage: { output_tokens: 1 },
    },
    { type: "message_stop" },
  ],
};

const blockSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const contentSchema = z.union([z.string(), z.array(blockSchema)]);
const bodySchema = z.object({
  system: contentSchema.default([]),
  messages: z.array(
    z.object({ role: z.enum(["user", "assistant", "system"]), content: contentSchema }),
  ),
  tools: z.array(z.object({ name: z.string() })).default([]),
});

type Content = z.infer<typeof contentSchema>;

function turnsOf(role: "user" | "assistant" | "system", content: Content): Turn[] {
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content;
  const speaker = role === "assistant" ? "model" : role;
  return blocks.map((block) =>
    block.type === "tool_result"
      ? { role: "tool", text: resultText(block) }
      : { role: speaker, text: block.text ?? JSON.stringify(block) },
  );
}

function resultText(block: z.infer<typeof blockSchema>): string {
  const content = contentSchema.safeParse(block["content"]);
  if (!content.success) return JSON.stringify(block);
  return turnsOf("user", content.data)
    .map(({ text }) => text)
    .join("\n");
}

const message = {
  type: "message",
  role: "assistant",
  model: "scripted",
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};

function blockEvents(step: Step, request: ModelRequest): StreamEvent[] {
  const [block, delta] =
    "say" in step
      ? [
          { type: "text", text: "" },
          { type: "text_delta", text: step.say },
        ]
      : [
          {
            type: "tool_use",
            id: `toolu_${randomUUID()}`,
            name: findTool(request, step.call).name,
            input: {},
          },
          { type: "input_json_delta", partial_json: JSON.stringify(step.args) },
        ];
  return [
    { type: "content_block_start", index: 0, content_block: block },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
  ];
}
