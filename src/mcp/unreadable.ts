import {
  CallToolRequestSchema,
  CancelledNotificationSchema,
  ErrorCode,
  InitializedNotificationSchema,
  InitializeRequestSchema,
  JSONRPCMessageSchema,
  ListToolsRequestSchema,
  PingRequestSchema,
  RequestIdSchema,
  RequestSchema,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { maxBatchAnswers, maxLineBytes } from "./limits.js";
import type { Line } from "./line-reader.js";

/** What has to be answered to a line that is no message. */
export interface Refusal {
  /** Null where it is not known, as JSON-RPC has it; undefined for a notification, which is not answered. */
  readonly id: RequestId | null | undefined;
  readonly code: number;
  readonly message: string;
}

/** A line as a message, or the errors that answer it; neither for a line that has nothing in it. */
export function readLine(line: Line): { message?: JSONRPCMessage; refusals?: Refusal[] } {
  if (line.tooLong !== undefined) {
    const { id = null, isRequest } = line.tooLong;
    // An answer to one of our requests is not answered.
    if (!isRequest && id !== null) return { refusals: [] };
    return refused(id, ErrorCode.InvalidRequest, `the line has more than ${maxLineBytes} bytes`);
  }
  // A mark of the byte order is no part of a message, and some programs begin with one.
  const text = line.text.replace(/^\uFEFF/, "").trim();
  if (text === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused(null, ErrorCode.ParseError, "the line is not JSON: write one message a line");
  }
  const wrong = wrongParams(value);
  if (wrong !== undefined) return refused(wrong.id, ErrorCode.InvalidParams, wrong.sentence);
  const message = JSONRPCMessageSchema.safeParse(value);
  if (message.success) return { message: message.data };
  return { refusals: Array.isArray(value) ? refuseBatch(value) : refuseOne(value) };
}

function refuseBatch(batch: readonly unknown[]): Refusal[] {
  const why = "batches are not taken: send each message on a line of its own";
  const ids = batch
    .slice(0, maxBatchAnswers)
    .map(idOf)
    .filter((id) => id !== null);
  return (ids.length === 0 ? [null] : ids).map((id) => ({
    id,
    code: ErrorCode.InvalidRequest,
    message: why,
  }));
}

function refuseOne(value: unknown): Refusal[] {
  const isAnswer =
    isObject(value) && !("method" in value) && ("result" in value || "error" in value);
  if (isAnswer) return [];
  const message =
    'this is no JSON-RPC 2.0 message: it needs jsonrpc "2.0", a method, params that are an object, and an id that is text or a whole number';
  return [{ id: idOf(value), code: ErrorCode.InvalidRequest, message }];
}

function refused(id: Refusal["id"], code: number, message: string): { refusals: Refusal[] } {
  return { refusals: [{ id, code, message }] };
}

function idOf(value: unknown): RequestId | null {
  return isObject(value) ? (RequestIdSchema.safeParse(value["id"]).data ?? null) : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
function wrongParams(value: unknown): { id: RequestId | undefined; sentence: string } | undefined {
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
