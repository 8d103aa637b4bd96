import { z } from "zod";
import { findTool, type ModelRequest, type Turn } from "./model-request.js";
import type { Step } from "./script.js";
import type { WireFormat } from "./wire-format.js";

/** Gemini CLI's: Google's streamGenerateContent. */
export const gemini: WireFormat = {
  isAsked: (path) => /^\/v1beta\/models\/[^/]+:streamGenerateContent$/.test(path),
  keyOf: (headers) => headers["x-goog-api-key"]?.toString(),
  read(body) {
    const { systemInstruction, contents, tools } = bodySchema.parse(body);
    const system = systemInstruction.parts.map((part) => turnOf("system", part));
    const turns = contents.flatMap(({ role, parts }) => parts.map((part) => turnOf(role, part)));
    return {
      turns: [...system, ...turns],
      tools: tools.flatMap(({ functionDeclarations }) => functionDeclarations),
    };
  },
  write: (step, request) => [
    {
      candidates: [
        {
          index: 0,
          content: { role: "model", parts: [partOf(step, request)] },
          finishReason: "STOP",
        },
      ],
      usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
    },
  ],
};

const partSchema = z.looseObject({
  text: z.string().optional(),
  functionResponse: z.object({ response: z.record(z.string(), z.unknown()) }).optional(),
});
const bodySchema = z.object({
  systemInstruction: z.object({ parts: z.array(partSchema) }).default({ parts: [] }),
  contents: z.array(z.object({ role: z.enum(["user", "model"]), parts: z.array(partSchema) })),
  tools: z
    .array(z.object({ functionDeclarations: z.array(z.object({ name: z.string() })).default([]) }))
    .default([]),
});

function turnOf(role: "system" | "user" | "model", part: z.infer<typeof partSchema>): Turn {
  if (part.functionResponse === undefined) {
    return { role, text: part.text ?? JSON.stringify(part) };
  }
  const { response } = part.functionResponse;
  const { output } = response;
  return { role: "tool", text: typeof output === "string" ? output : JSON.stringify(response) };
}

function partOf(step: Step, request: ModelRequest): object {
  if ("say" in step) return { text: step.say };
  return { functionCall: { name: findTool(request, step.call).name, args: step.args } };
}
