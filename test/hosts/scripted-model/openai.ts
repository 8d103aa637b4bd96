import { randomUUID } from "node:crypto";
import { z } from "zod";
import { findInterpreter, programOf } from "./code-mode.js";
import { findTool, type ModelRequest, type OfferedTool, type Turn } from "./model-request.js";
import type { Step } from "./script.js";
import type { WireFormat } from "./wire-format.js";

/** Codex's: OpenAI's Responses. */
export const openai: WireFormat = {
  isAsked: (path) => path === "/v1/responses",
  keyOf: (headers) => /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1],
  read(body) {
    const { instructions, input, tools, client_metadata: metadata } = bodySchema.parse(body);
    const system: Turn[] = instructions === "" ? [] : [{ role: "system", text: instructions }];
    const offered = [...tools, ...input.flatMap((item) => item.tools ?? [])];
    return {
      turns: [...system, ...input.flatMap(turnsOf)],
      tools: isForTitle(metadata) ? [] : offered.flatMap(toolsOf),
    };
  },
  write(step, request) {
    const response = { id: `resp_${randomUUID()}`, object: "response" };
    return [
      { type: "response.created", response },
      { type: "response.output_item.done", output_index: 0, item: outputItem(step, request) },
      { type: "response.completed", response: { ...response, usage } },
    ];
  },
};

const partsSchema = z.array(z.looseObject({ text: z.string().optional() }));
const toolSchema = z.object({
  name: z.string().optional(),
  tools: z.array(z.object({ name: z.string() })).optional(),
});
const itemSchema = z.looseObject({
  type: z.string().default("message"),
  tools: z.array(toolSchema).optional(),
});
const bodySchema = z.object({
  instructions: z.string().default(""),
  input: z.array(itemSchema),
  tools: z.array(toolSchema).default([]),
  client_metadata: z.record(z.string(), z.string()).default({}),
});

/** Whether it asks for a title of the conversation: it may offer tools with that, too. */
function isForTitle(metadata: Readonly<Record<string, string>>): boolean {
  return metadata["x-codex-turn-metadata"]?.includes('"thread_source":"thread_title"') ?? false;
}

function turnsOf(item: z.infer<typeof itemSchema>): Turn[] {
  if (item.type === "message") {
    const role = z.enum(["system", "developer", "user", "assistant"]).parse(item["role"]);
    const speaker = role === "assistant" ? "model" : role;
    return textsOf(item["content"]).map((text) => ({ role: speaker, text }));
  }
  if (item.type.endsWith("_output")) {
    return [{ role: "tool", text: textsOf(item["output"]).join("\n") }];
  }
  return [{ role: "model", text: JSON.stringify(item) }];
}

function textsOf(content: unknown): string[] {
  if (typeof content === "string") return [content];
  const parts = partsSchema.safeParse(content);
  if (!parts.success) return [JSON.stringify(content)];
  return parts.data.map((part) => part.text ?? JSON.stringify(part));
}

function toolsOf({ name, tools }: z.infer<typeof toolSchema>): OfferedTool[] {
  if (name === undefined) return [];
  return tools?.map((tool) => ({ name: tool.name, namespace: name })) ?? [{ name }];
}

function outputItem(step: Step, request: ModelRequest): object {
  if ("say" in step) {
    const content = [{ type: "output_text", text: step.say, annotations: [] }];
    return { type: "message", id: `msg_${randomUUID()}`, role: "assistant", content };
  }
  const id = { id: `fc_${randomUUID()}`, call_id: `call_${randomUUID()}` };
  const interpreter = findInterpreter(request);
  if (interpreter !== undefined) {
    return { type: "custom_tool_call", ...id, ...interpreter, input: programOf(step) };
  }
  return {
    type: "function_call",
    ...id,
    ...findTool(request, step.call),
    arguments: JSON.stringify(step.args),
  };
}

const usage = {
  input_tokens: 1,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 1,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 2,
};
