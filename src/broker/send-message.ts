import { createHash } from "node:crypto";
import { create, fromJson, toBinary, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { durationMs, StructSchema } from "@bufbuild/protobuf/wkt";
import { v7 as uuidv7 } from "uuid";
import {
  SendMessageResponseSchema,
  SendResultSchema,
  type SendMessageRequest,
  type SendMessageResponse,
  type SendResult,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import {
  ConfirmedBy,
  ReceiptState,
  Urgency,
  type MessageRecord,
} from "../../gen/peerline/v1/message_pb.js";
import { BrokerError, entryError, fromStoreError, translateStoreErrors } from "./broker-error.js";
import type { Core } from "./core.js";
import { reachOf, refTo, type PeerEntry } from "./directory.js";
import { boundBytes, boundCount, invalidField, matchField, requireField } from "./fields.js";
import { findMessage } from "./find-message.js";
import {
  defaultExpiresInMs,
  maxDataBytes,
  maxExpiresInMs,
  maxRecipients,
  maxTextBytes,
  maxThreadIdBytes,
  minExpiresInMs,
} from "./limits.js";
import { isUuid } from "./names.js";
import type { Session } from "./sessions.js";
import type { Draft, EnqueueResult } from "./store.js";

/**
 * Stores one message for each recipient.
 *
 * 1. Check the request, and find every recipient and the message that is answered: an error here
 *    stores nothing.
 * 2. Store the message for each recipient; durable when the store answers.
 * 3. Note that the answered message was answered.
 * 4. Answer with what became of it for each recipient.
 */
export async function sendMessage(
  core: Core,
  session: Session,
  request: SendMessageRequest,
): Promise<SendMessageResponse> {
  const recipients = findRecipients(core, request);
  const answered = await findAnswered(core, session, request);
  const draft = readDraft(session, request, recipients, answered);

  const results = await translateStoreErrors(() => core.store.enqueue(draft, draft.to));
  const accepted = results.filter((result) => result.ok);
  const [first] = accepted;
  if (first === undefined) throw firstError(results);
  const fresh = accepted.filter((result) => !result.duplicate).map((result) => result.receipt);
  if (fresh.length > 0) core.receipts.accepted(first.message, fresh);

  if (answered !== undefined) await noteAnswer(core, session, answered, draft, results);

  return create(SendMessageResponseSchema, {
    messageId: draft.messageId,
    results: results.map((result, index) => describeResult(recipients[index], result)),
    ...(first.message.acceptTime === undefined ? {} : { acceptTime: first.message.acceptTime }),
    threadId: first.message.threadId,
  });
}

function findRecipients(core: Core, request: SendMessageRequest): PeerEntry[] {
  if (request.to.length === 0) requireField("to", "");
  boundCount("to", request.to.length, maxRecipients);
  const found = new Set<PeerEntry>();
  for (const wanted of request.to) {
    requireField("to", wanted.trim());
    found.add(core.directory.resolve("to", wanted));
  }
  return [...found];
}

async function findAnswered(
  core: Core,
  session: Session,
  request: SendMessageRequest,
): Promise<MessageRecord | undefined> {
  if (request.inReplyTo === "") return undefined;
  const viewer = session.entry.stored.peerId;
  return findMessage(core, {
    field: "in_reply_to",
    messageId: request.inReplyTo,
    from: "",
    viewer,
  });
}

function readDraft(
  session: Session,
  request: SendMessageRequest,
  recipients: readonly PeerEntry[],
  answered: MessageRecord | undefined,
): Draft {
  const { text, threadId } = request;
  requireField("text", text);
  boundBytes("text", text, maxTextBytes);
  if (threadId !== "") {
    matchField("thread_id", threadId, /^[A-Za-z0-9._:-]+$/, "of A-Z a-z 0-9 . _ : -");
    boundBytes("thread_id", threadId, maxThreadIdBytes);
  }
  const messageId = request.messageId === "" ? uuidv7() : request.messageId.toLowerCase();
  if (!isUuid(messageId)) throw invalidField("message_id", "message_id must be a UUID, or empty");
  if (Urgency[request.urgency] === undefined)
    throw invalidField("urgency", "urgency is none of Urgency");
  const data = readData(request.data);
  const inReplyTo = answered?.message?.messageId ?? "";
  const urgency = request.urgency === Urgency.UNSPECIFIED ? Urgency.NORMAL : request.urgency;
  const expiresInMs = readExpiry(request);
  return {
    messageId,
    from: refTo(session.entry),
    to: recipients.map(refTo),
    text,
    data,
    threadId: threadId || answered?.message?.threadId || messageId,
    inReplyTo,
    urgency,
    expiresInMs,
    fingerprint: fingerprint([text, data ?? null, threadId, inReplyTo, urgency, expiresInMs]),
  };
}

function readData(data: SendMessageRequest["data"]): JsonObject | undefined {
  if (data === undefined) return undefined;
  boundBytes("data", toBinary(StructSchema, fromJson(StructSchema, data)), maxDataBytes);
  return data;
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

/** The caller's receipt of the answered message moves, if the answer went to who had sent it. */
async function noteAnswer(
  core: Core,
  session: Session,
  answered: MessageRecord,
  draft: Draft,
  results: readonly EnqueueResult[],
): Promise<void> {
  const { peerId } = session.entry.stored;
  const receipt = answered.receipts.find(({ recipient }) => recipient?.peerId === peerId);
  const asker = answered.message?.from?.peerId;
  const reached = draft.to.some((to, index) => to.peerId === asker && results[index]?.ok === true);
  if (receipt === undefined || !reached) return;
  const change = { state: ReceiptState.ANSWERED, confirmedBy: ConfirmedBy.REPLY };
  try {
    await core.receipts.advance(peerId, receipt.seq, change);
    core.subscriptions.settle(peerId, receipt.seq);
  } catch (error) {
    // The answer itself is stored, and that is what the caller is told.
    core.log.warn({ peer: session.entry.stored.name, err: error }, "could not note an answer");
  }
}

function describeResult(recipient: PeerEntry | undefined, result: EnqueueResult): SendResult {
  if (recipient === undefined)
    throw new Error("the store answered for more recipients than it was given");
  const about = { recipient: refTo(recipient), reach: reachOf(recipient) };
  return result.ok
    ? create(SendResultSchema, {
        ...about,
        state: result.receipt.state,
        duplicate: result.duplicate,
      })
    : create(SendResultSchema, { ...about, error: entryError(brokerErrorOf(result)) });
}

function firstError(results: readonly EnqueueResult[]): Error {
  const failed = results.find((result) => !result.ok);
  return failed === undefined
    ? new Error("the store answered for no recipient")
    : brokerErrorOf(failed);
}

function brokerErrorOf(result: EnqueueResult & { ok: false }): BrokerError {
  const error = fromStoreError(result.error);
  if (error instanceof BrokerError) return error;
  return new BrokerError(ErrorReason.INTERNAL, "internal error", { cause: error });
}
