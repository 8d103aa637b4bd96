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
