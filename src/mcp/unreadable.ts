import {
  asMessage,
  ErrorCode,
  isObject,
  isRequestId,
  type Message,
  type RequestId,
} from "./json-rpc.js";
import { maxBatchAnswers, maxLineBytes } from "./limits.js";
import type { Line } from "./line-reader.js";
import { wrongParams } from "./wrong-params.js";

/** What has to be answered to a line that is no message. */
export interface Refusal {
  /** Null where it is not known, as JSON-RPC has it; undefined for a notification, which is not answered. */
  readonly id: RequestId | null | undefined;
  readonly code: number;
  readonly message: string;
}

/** A line as a message, or the errors that answer it; neither for a line that has nothing in it. */
export function readLine(line: Line): { message?: Message; refusals?: Refusal[] } {
  if (line.tooLong !== undefined) {
    const { id = null, isRequest } = line.tooLong;
    // An answer to one of our requests is not answered.
    if (!isRequest && id !== null) return { refusals: [] };
    return refused(id, ErrorCode.invalidRequest, `the line has more than ${maxLineBytes} bytes`);
  }
  // A mark of the byte order is no part of a message, and some programs begin with one.
  const text = line.text.replace(/^\uFEFF/, "").trim();
  if (text === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused(null, ErrorCode.parse, "the line is not JSON: write one message a line");
  }
  const wrong = wrongParams(value);
  if (wrong !== undefined) return refused(wrong.id, ErrorCode.invalidParams, wrong.sentence);
  const message = asMessage(value);
  if (message !== undefined) return { message };
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
    code: ErrorCode.invalidRequest,
    message: why,
  }));
}

function refuseOne(value: unknown): Refusal[] {
  const isAnswer =
    isObject(value) && !("method" in value) && ("result" in value || "error" in value);
  if (isAnswer) return [];
  const message =
    'this is no JSON-RPC 2.0 message: it needs jsonrpc "2.0", a method, params that are an object, and an id that is text or a whole number';
  return [{ id: idOf(value), code: ErrorCode.invalidRequest, message }];
}

function refused(id: Refusal["id"], code: number, message: string): { refusals: Refusal[] } {
  return { refusals: [{ id, code, message }] };
}

function idOf(value: unknown): RequestId | null {
  return isObject(value) && isRequestId(value["id"]) ? value["id"] : null;
}
