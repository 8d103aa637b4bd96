import { maxTextBytes } from "../../contract/limits.js";
import { create } from "@bufbuild/protobuf";
import { timestampMs, timestampNow } from "@bufbuild/protobuf/wkt";
import {
  SendMessageResponseSchema,
  SendResultSchema,
  type SendMessageRequest,
  type SendMessageResponse,
  type SendResult,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import {
  ConfirmedBy,
  ReceiptState,
  type MessageRecord,
} from "../../../gen/peerline/v1/message_pb.js";
import { meantName } from "../../contract/names.js";
import { statusOf } from "../../rpc/status.js";
import { BrokerError, fromStoreError, translateStoreErrors } from "../broker-error.js";
import type { Core } from "../core.js";
import { reachOf, refTo, type PeerRecord } from "../peers/directory.js";
import { dataBytes, readDraft } from "../delivery/draft.js";
import { findMessage } from "./find-message.js";
import { maxDataBytes } from "../limits.js";
import { requireUnmuted } from "./moderation.js";
import { findRecipients, readRecipients, refuseStrangers } from "../delivery/recipients.js";
import type { Session } from "../peers/sessions.js";
import type { Draft, EnqueueResult } from "../store/queues.js";
import type { MessageKey, Reservation } from "../delivery/storms.js";

/** What became of the message for one recipient. */
type Placed =
  | (EnqueueResult & { readonly ok: true })
  | { readonly ok: false; readonly error: BrokerError };

/**
 * Stores one message for each recipient.
 *
 * 1. Reserve it from what the sender may send, before anything waits.
 * 2. Find the message that is answered, then every recipient, and check the request: an error here
 *    stores nothing. So does the end of the session meanwhile. A name that another peer has by now is such an error.
 * 3. Refuse it where it is part of a storm.
 * 4. Store the message for each recipient; durable when the store answers.
 * 5. Note that the answered message was answered.
 * 6. Answer with what became of it for each recipient.
 */
export async function sendMessage(
  core: Core,
  session: Session,
  request: SendMessageRequest,
): Promise<SendMessageResponse> {
  const from = session.peer;
  core.sessions.makeSure(session);
  requireUnmuted(core, from);
  const wanted = readRecipients(request);
  using reservation = core.storms.reserve(from.stored, wanted.length, bodyBytes(request));
  const answered = await findAnswered(core, session, request, wanted);
  let recipients: PeerRecord[];
  try {
    await refuseStrangers(core, from, request, wanted, answered);
    session.ended.signal.throwIfAborted();
    // From here to the store nothing waits, so that no recipient is removed in between.
    recipients = findRecipients(core, wanted, answered);
  } catch (error) {
    reservation.miss();
    throw error;
  }
  const draft = readDraft({ from, request, recipients, answered: answered?.message });

  const placed = await place(core, draft, answered, reservation);
  const accepted = placed.filter((result) => result.ok);
  const [first] = accepted;
  if (first === undefined) throw firstError(placed);

  if (answered !== undefined) await noteAnswer(core, session, answered, draft, placed);

  return create(SendMessageResponseSchema, {
    messageId: draft.messageId,
    results: recipients.map((recipient, index) => describeResult(recipient, placed[index])),
    ...(first.message.acceptTime === undefined ? {} : { acceptTime: first.message.acceptTime }),
    threadId: first.message.threadId,
  });
}

/** The bytes that count against the sender's rate. A larger body is refused anyway, a moment later. */
function bodyBytes({ text, data }: SendMessageRequest): number {
  return Math.min(Buffer.byteLength(text) + dataBytes(data), maxTextBytes + maxDataBytes);
}

async function findAnswered(
  core: Core,
  session: Session,
  request: SendMessageRequest,
  wanted: readonly string[],
): Promise<MessageRecord | undefined> {
  if (request.inReplyTo === "") return undefined;
  const present = wanted.flatMap((text) => core.directory.find(text));
  return findMessage(core, {
    field: "in_reply_to",
    messageId: request.inReplyTo,
    from: "",
    viewer: session.peer.stored.peerId,
    // Under the names they have, or had.
    likelyFrom: [
      ...wanted.map((text) => meantName(text) ?? text),
      ...present.map(({ stored }) => stored.peerId),
    ],
  });
}

/** Stores the message for the recipients for whom it is no storm. The results are in their order. */
async function place(
  core: Core,
  draft: Draft,
  answered: MessageRecord | undefined,
  reservation: Reservation,
): Promise<Placed[]> {
  const refusals = reservation.admit(
    {
      from: draft.from.peerId,
      messageId: draft.messageId,
      answers: answered && keyOf(answered),
      text: draft.text,
    },
    draft.to.map(({ peerId }) => peerId),
  );
  const admitted = draft.to.filter((_, index) => refusals[index] === undefined);
  const stored = await translateStoreErrors(() => core.store.queues.enqueue(draft, admitted));

  const fresh = stored.filter((result) => result.ok).filter((result) => !result.duplicate);
  reservation.keep(new Set(fresh.map(({ receipt }) => receipt.recipient?.peerId ?? "")));
  const [first] = fresh;
  if (first !== undefined) {
    core.expiry.expect(timestampMs(first.message.expireTime ?? timestampNow()));
  }
  const results = stored.values();
  return refusals.map((error) => {
    if (error !== undefined) return { ok: false, error };
    const result = results.next().value;
    if (result === undefined) throw new Error("the store did not answer for every recipient");
    return result.ok ? result : { ok: false, error: explain(result.error) };
  });
}

function keyOf({ message }: MessageRecord): MessageKey {
  return { from: message?.from?.peerId ?? "", messageId: message?.messageId ?? "" };
}

/** The caller's receipt of the answered message moves, if the answer went to who had sent it. */
async function noteAnswer(
  core: Core,
  session: Session,
  answered: MessageRecord,
  draft: Draft,
  placed: readonly Placed[],
): Promise<void> {
  const { peerId } = session.peer.stored;
  const receipt = answered.receipts.find(({ recipient }) => recipient?.peerId === peerId);
  const asker = answered.message?.from?.peerId;
  const reached = draft.to.some((to, index) => to.peerId === asker && placed[index]?.ok === true);
  if (receipt === undefined || !reached) return;
  const change = { state: ReceiptState.ANSWERED, confirmedBy: ConfirmedBy.REPLY };
  try {
    await core.receipts.advance(peerId, receipt.seq, change);
    core.subscriptions.settle(peerId, receipt.seq);
  } catch (error) {
    // The answer itself is stored, and that is what the caller is told.
    core.log.warn({ peer: session.peer.stored.name, err: error }, "could not note an answer");
  }
}

function describeResult(recipient: PeerRecord, placed: Placed | undefined): SendResult {
  const about = { recipient: refTo(recipient), reach: reachOf(recipient) };
  if (placed?.ok !== true) {
    return create(SendResultSchema, {
      ...about,
      ...(placed === undefined ? {} : { error: statusOf(placed.error) }),
    });
  }
  return create(SendResultSchema, {
    ...about,
    state: placed.receipt.state,
    duplicate: placed.duplicate,
  });
}

function firstError(placed: readonly Placed[]): Error {
  const failed = placed.find((result) => !result.ok);
  return failed?.ok === false ? failed.error : new Error("a message without recipients");
}

function explain(error: Parameters<typeof fromStoreError>[0]): BrokerError {
  const known = fromStoreError(error);
  if (known instanceof BrokerError) return known;
  return new BrokerError(ErrorReason.INTERNAL, "internal error", { cause: known });
}
