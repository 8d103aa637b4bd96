import {
  CallToolRequestSchema,
  CancelledNotificationSchema,
  InitializedNotificationSchema,
  InitializeRequestSchema,
  ListToolsRequestSchema,
  PingRequestSchema,
  RequestIdSchema,
  RequestSchema,
  type RequestId,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { jsonOf } from "./lenient.js";
import { AdapterError } from "./refusal.js";
import type { Tool } from "./tools/tool.js";

/**
 * The parameters of a call, checked. Models guess names and types. Known other names are understood, in
 * any spelling (`inReplyTo`, `wait-ms`). Null counts as absent, and so does empty text for what may be
 * left out. What is wrong is answered with the parameter and the fix.
 */
export function readParameters<Parameters extends z.ZodObject>(
  tool: Tool<Parameters>,
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
  const parsed = tool.parameters.safeParse(given);
  if (!parsed.success) throw wrongValue(tool, given, parsed.error);
  return parsed.data;
}

/** Some models wrap the parameters once more. */
function unwrapped(
  tool: Tool,
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

function knownName(tool: Tool, name: string): string | undefined {
  const snake = name
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
  for (const spelling of [name, snake]) {
    if (Object.hasOwn(tool.parameters.shape, spelling)) return spelling;
    if (Object.hasOwn(tool.aliases, spelling)) return tool.aliases[spelling];
  }
  return undefined;
}

function isNothing(value: unknown): boolean {
  return typeof value === "string" && /^\s*(?:null|undefined|none)?\s*$/i.test(value);
}

function mayBeAbsent(tool: Tool, name: string | undefined): boolean {
  const schema = name === undefined ? undefined : tool.parameters.shape[name];
  return schema instanceof z.ZodOptional;
}

function unknownParameter(tool: Tool, name: string): AdapterError {
  const known = Object.keys(tool.parameters.shape);
  const list = known.length === 0 ? "takes no parameters" : `takes ${known.join(", ")}`;
  return bad(`\`${name}\` is not a parameter: ${tool.name} ${list}.`);
}

function wrongValue(
  tool: Tool,
  given: Readonly<Record<string, unknown>>,
  error: z.ZodError,
): AdapterError {
  const name = String(error.issues[0]?.path[0]);
  const schema = tool.parameters.shape[name] as z.ZodType;
  const what = Object.hasOwn(given, name)
    ? `cannot be ${jsonOf(given[name])?.slice(0, 60) ?? "a structure nested this deep"}`
    : "is missing";
  return bad(`\`${name}\` ${what}. It takes: ${schema.description}`);
}

function bad(sentence: string): AdapterError {
  return new AdapterError("BAD_PARAMETER", sentence);
}

/** What the host may call here; any other method is looked at only where all methods are alike. */
const shapes: Readonly<Record<string, z.ZodType>> = {
  initialize: InitializeRequestSchema,
  ping: PingRequestSchema,
  "tools/list": ListToolsRequestSchema,
  "tools/call": CallToolRequestSchema,
  "notifications/initialized": InitializedNotificationSchema,
  "notifications/cancelled": CancelledNotificationSchema,
};

const envelope = z.object({
  jsonrpc: z.literal("2.0"),
  id: RequestIdSchema.optional(),
  method: z.string(),
  params: z.looseObject({}).optional(),
});

/**
 * What is wrong with the params of a call, in a sentence that names the member. The SDK would answer with
 * the checker's own report, as an internal error. Undefined where nothing is, or where it is no call at all.
 */
export function wrongParams(
  value: unknown,
): { id: RequestId | undefined; sentence: string } | undefined {
  const call = envelope.safeParse(value).data;
  if (call === undefined) return undefined;
  const { id, method, params } = call;
  const isKnown = Object.hasOwn(shapes, method);
  const issue = (isKnown ? shapes[method] : RequestSchema)?.safeParse(value).error?.issues[0];
  if (issue === undefined) return undefined;
  const sentence = describe(issue, { params });
  return { id, sentence: isKnown ? `${method}: ${sentence}` : sentence };
}

function describe(issue: z.core.$ZodIssue, call: { params: unknown }): string {
  const path = issue.path.map(String);
  const name = path.slice(1).join(".").slice(0, maxNameShown) || "params";
  const expected = [...new Set(expectedOf(issue))].join(" or ");
  if (expected === "") return `\`${name}\` is not what the protocol allows there.`;
  const found = path.reduce(memberOf, call);
  if (found === undefined) return `\`${name}\` is missing: it must be ${expected}.`;
  return `\`${name}\` must be ${expected}, not ${kindOf(found)}.`;
}

/** Characters of a member's name that are told. */
const maxNameShown = 80;

function expectedOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_union") return issue.errors.flat().flatMap(expectedOf);
  if (issue.code !== "invalid_type") return [];
  return [kinds[issue.expected] ?? issue.expected];
}

const kinds: Readonly<Record<string, string>> = {
  object: "an object",
  record: "an object",
  array: "a list",
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return kinds[Array.isArray(value) ? "array" : typeof value] ?? typeof value;
}
