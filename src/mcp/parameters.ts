import { z } from "zod";
import { jsonOf } from "./lenient.js";
import { AdapterError } from "./refusal.js";
import type { ToolDefinition } from "./tools/definitions.js";

/**
 * The parameters of a call, checked. Models guess names and types. Known other names are understood, in
 * any spelling (`inReplyTo`, `wait-ms`). Null counts as absent, and so does empty text for what may be
 * left out. What is wrong is answered with the parameter and the fix.
 */
export function readParameters<Parameters extends z.ZodObject>(
  tool: ToolDefinition<Parameters>,
  raw: Readonly<Record<string, unknown>>,
): z.output<Parameters> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(unwrapped(tool, raw))) {
    const known = knownName(tool, name);
    if (value === null || (isNothing(value) && mayBeAbsent(tool, known))) continue;
    if (known === undefined) throw unknownParameter(tool, name);
    if (Object.hasOwn(given, known)) {
      throw bad(`\`${name}\` and \`${known}\` are the same parameter: give one of them.`);
    }
    given[known] = value;
  }
  const parsed = tool.parameters().safeParse(given);
  if (!parsed.success) throw wrongValue(tool, given, parsed.error);
  return parsed.data;
}

/** Some models wrap the parameters once more. */
function unwrapped(
  tool: ToolDefinition,
  raw: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const [entry, ...others] = Object.entries(raw);
  if (entry === undefined || others.length > 0) return raw;
  const [name, value] = entry;
  const isWrapper = /^(?:input|params|parameters|arguments|args)$/.test(name);
  if (!isWrapper || knownName(tool, name) !== undefined) return raw;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return raw;
  return value as Readonly<Record<string, unknown>>;
}

function knownName(tool: ToolDefinition, name: string): string | undefined {
  const snake = name
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
  for (const spelling of [name, snake]) {
    if (Object.hasOwn(tool.parameters().shape, spelling)) return spelling;
    if (Object.hasOwn(tool.aliases, spelling)) return tool.aliases[spelling];
  }
  return undefined;
}

function isNothing(value: unknown): boolean {
  return typeof value === "string" && /^\s*(?:null|undefined|none)?\s*$/i.test(value);
}

function mayBeAbsent(tool: ToolDefinition, name: string | undefined): boolean {
  const schema = name === undefined ? undefined : tool.parameters().shape[name];
  return schema instanceof z.ZodOptional;
}

function unknownParameter(tool: ToolDefinition, name: string): AdapterError {
  const known = Object.keys(tool.parameters().shape);
  const list = known.length === 0 ? "takes no parameters" : `takes ${known.join(", ")}`;
  return bad(`\`${name}\` is not a parameter: ${tool.name} ${list}.`);
}

function wrongValue(
  tool: ToolDefinition,
  given: Readonly<Record<string, unknown>>,
  error: z.ZodError,
): AdapterError {
  const name = String(error.issues[0]?.path[0]);
  const schema = tool.parameters().shape[name] as z.ZodType;
  const what = Object.hasOwn(given, name)
    ? `cannot be ${jsonOf(given[name])?.slice(0, 60) ?? "a structure nested this deep"}`
    : "is missing";
  return bad(`\`${name}\` ${what}. It takes: ${schema.description}`);
}

function bad(sentence: string): AdapterError {
  return new AdapterError("BAD_PARAMETER", sentence);
}
