import { maxExpiresInMs, maxTextBytes, minExpiresInMs } from "../../contract/limits.js";
import { createHash } from "node:crypto";
import { fromJson, toBinary, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { durationMs, StructSchema } from "@bufbuild/protobuf/wkt";
import { v7 as uuidv7 } from "uuid";
import type { SendMessageRequest } from "../../../gen/peerline/v1/broker_service_pb.js";
import { Urgency, type Message } from "../../../gen/peerline/v1/message_pb.js";
import { isUuid } from "../../contract/ids.js";
import { refTo, type PeerRecord } from "../peers/directory.js";
import { boundBytes, checkThreadId, invalidField, requireField } from "../fields.js";
import { defaultExpiresInMs, maxDataBytes } from "../limits.js";
import type { Draft } from "../store/queues.js";

/** Checks a message that a peer wants to send, and fills in what it left to the broker. */
export function readDraft(options: {
  from: PeerRecord;
  request: SendMessageRequest;
  recipients: readonly PeerRecord[];
  /** The message that this one answers. */
  answered: Message | undefined;
}): Draft {
  const { from, request, recipients, answered } = options;
  const { text, threadId } = request;
  requireField("text", text);
  boundBytes("text", text, maxTextBytes);
  checkThreadId(threadId);
  const messageId = request.messageId === "" ? uuidv7() : request.messageId.toLowerCase();
  if (!isUuid(messageId)) throw invalidField("message_id", "message_id must be a UUID, or empty");
  const data = readData(request.data);
  const inReplyTo = answered?.messageId ?? "";
  const urgency = readUrgency(request.urgency);
  const expiresInMs = readExpiry(request);
  return {
    messageId,
    from: refTo(from),
    to: recipients.map(refTo),
    text,
    data,
    threadId: threadId || answered?.threadId || messageId,
    inReplyTo,
    urgency,
    expiresInMs,
    fingerprint: fingerprint([text, data ?? null, threadId, inReplyTo, urgency, expiresInMs]),
  };
}

function readData(data: JsonObject | undefined): JsonObject | undefined {
  if (data === undefined) return undefined;
  boundBytes("data", encodeData(data), maxDataBytes);
  return data;
}

/** What the data of a message takes, encoded. */
export function dataBytes(data: JsonObject | undefined): number {
  return data === undefined ? 0 : encodeData(data).byteLength;
}

function encodeData(data: JsonObject): Uint8Array {
  return toBinary(StructSchema, fromJson(StructSchema, data));
}

function readUrgency(urgency: Urgency): Urgency {
  if (Urgency[urgency] === undefined) throw invalidField("urgency", "urgency is none of Urgency");
  return urgency === Urgency.UNSPECIFIED ? Urgency.NORMAL : urgency;
}

function readExpiry(request: SendMessageRequest): number {
  if (request.expiresIn === undefined) return defaultExpiresInMs;
  const expiresInMs = durationMs(request.expiresIn);
  if (expiresInMs < minExpiresInMs || expiresInMs > maxExpiresInMs) {
    throw invalidField("expires_in", "expires_in must be 1 second to 365 days");
  }
  return expiresInMs;
}

/** What makes two sends the same, whatever the order of keys in their data. */
function fingerprint(parts: JsonValue[]): string {
  return createHash("sha256")
    .update(JSON.stringify(sortKeys(parts)))
    .digest("hex");
}

function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
