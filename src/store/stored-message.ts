import { crc32 } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  ConfirmedBy,
  type Message,
  MessageSchema,
  PeerRefSchema,
  type Receipt,
  ReceiptSchema,
  ReceiptState,
} from "../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../broker/store/store.js";
import type { Draft, ReceiptChange } from "../broker/store/queues.js";

/** The message that a draft becomes when it is accepted at `nowMs`. */
export function stamp(draft: Draft, nowMs: number): Message {
  return create(MessageSchema, {
    messageId: draft.messageId,
    from: draft.from,
    to: [...draft.to],
    text: draft.text,
    data: draft.data,
    threadId: draft.threadId,
    inReplyTo: draft.inReplyTo,
    urgency: draft.urgency,
    acceptTime: timestampFromMs(nowMs),
    expireTime: timestampFromMs(nowMs + draft.expiresInMs),
  });
}

/** A receipt as stores keep it. Times are milliseconds; null stands for a rung that was not reached. */
export interface StoredReceipt {
  readonly seq: number;
  readonly peerId: string;
  readonly peerName: string;
  readonly state: ReceiptState;
  readonly queuedMs: number;
  readonly leasedMs: number | null;
  readonly presentedMs: number | null;
  readonly confirmedMs: number | null;
  readonly answeredMs: number | null;
  readonly endedMs: number | null;
  readonly confirmedBy: ConfirmedBy;
  readonly attempts: number;
  readonly reason: string;
}

/** The receipt of a new delivery, or of a dead letter that is redriven. */
export function queuedReceipt(
  of: Pick<StoredReceipt, "seq" | "peerId" | "peerName" | "queuedMs">,
): StoredReceipt {
  return {
    seq: of.seq,
    peerId: of.peerId,
    peerName: of.peerName,
    state: ReceiptState.QUEUED,
    queuedMs: of.queuedMs,
    leasedMs: null,
    presentedMs: null,
    confirmedMs: null,
    answeredMs: null,
    endedMs: null,
    confirmedBy: ConfirmedBy.UNSPECIFIED,
    attempts: 0,
    reason: "",
  };
}

/** The receipt of a delivery that is handed to a reader. */
export function leased(receipt: StoredReceipt, nowMs: number): StoredReceipt {
  return climb(receipt, { state: ReceiptState.LEASED }, nowMs).receipt;
}

export function toReceipt(stored: StoredReceipt): Receipt {
  return create(ReceiptSchema, {
    recipient: create(PeerRefSchema, { peerId: stored.peerId, name: stored.peerName }),
    state: stored.state,
    queuedTime: timestampFromMs(stored.queuedMs),
    leasedTime: time(stored.leasedMs),
    presentedTime: time(stored.presentedMs),
    confirmedTime: time(stored.confirmedMs),
    answeredTime: time(stored.answeredMs),
    endedTime: time(stored.endedMs),
    confirmedBy: stored.confirmedBy,
    attempts: stored.attempts,
    reason: stored.reason,
    seq: BigInt(stored.seq),
  });
}

/** What `toReceipt` was made of. */
export function fromReceipt(receipt: Receipt): StoredReceipt {
  const { state, confirmedBy, attempts, reason, recipient } = receipt;
  return {
    seq: Number(receipt.seq),
    peerId: recipient?.peerId ?? "",
    peerName: recipient?.name ?? "",
    state,
    queuedMs: milliseconds(receipt.queuedTime) ?? 0,
    leasedMs: milliseconds(receipt.leasedTime),
    presentedMs: milliseconds(receipt.presentedTime),
    confirmedMs: milliseconds(receipt.confirmedTime),
    answeredMs: milliseconds(receipt.answeredTime),
    endedMs: milliseconds(receipt.endedTime),
    confirmedBy,
    attempts,
    reason,
  };
}

/**
 * Applies a change to a receipt.
 *
 * - QUEUED, LEASED, PRESENTED, CONFIRMED and ANSWERED are climbed in this order. A rung may be skipped, and
 *   its time then stays unset. Nothing goes down.
 * - EXPIRED ends a message that was not presented, and DEAD_LETTERED one that is open. Nothing moves after.
 * - The evidence of the first confirmation stays. A failed attempt counts while the message is open.
 */
export function climb(
  receipt: StoredReceipt,
  change: ReceiptChange,
  nowMs: number,
): { receipt: StoredReceipt; moved: boolean } {
  const counted =
    change.failedAttempt === true && isOpen(receipt.state)
      ? { ...receipt, attempts: receipt.attempts + 1 }
      : receipt;
  if (change.state === undefined || !leadsUp(receipt.state, change.state)) {
    return { receipt: counted, moved: false };
  }
  return { receipt: { ...counted, ...reached(receipt, change.state, change, nowMs) }, moved: true };
}

/** Whether a reader still offers the message. */
export function isOpen(state: ReceiptState): boolean {
  return state <= ReceiptState.PRESENTED;
}

/** Whether the message still has to be presented. */
export function isWaiting(state: ReceiptState): boolean {
  return state <= ReceiptState.LEASED;
}

function leadsUp(from: ReceiptState, to: ReceiptState): boolean {
  if (to === ReceiptState.EXPIRED) return isWaiting(from);
  return to === ReceiptState.DEAD_LETTERED ? isOpen(from) : to > from;
}

function reached(
  receipt: StoredReceipt,
  state: ReceiptState,
  change: ReceiptChange,
  nowMs: number,
): Partial<StoredReceipt> {
  const confirmedBy = receipt.confirmedBy || (change.confirmedBy ?? ConfirmedBy.UNSPECIFIED);
  switch (state) {
    case ReceiptState.LEASED:
      return { state, leasedMs: nowMs };
    case ReceiptState.PRESENTED:
      return { state, presentedMs: nowMs };
    case ReceiptState.CONFIRMED:
      return { state, confirmedMs: nowMs, confirmedBy };
    case ReceiptState.ANSWERED:
      return { state, answeredMs: nowMs, confirmedBy };
    case ReceiptState.EXPIRED:
      return { state, endedMs: nowMs };
    case ReceiptState.DEAD_LETTERED:
      return { state, endedMs: nowMs, reason: change.reason ?? "" };
    default:
      return {};
  }
}

function time(ms: number | null): Timestamp | undefined {
  return ms === null ? undefined : timestampFromMs(ms);
}

function milliseconds(at: Timestamp | undefined): number | null {
  return at === undefined ? null : timestampMs(at);
}

/**
 * A cursor of history: the position of the last message seen, in the order of acceptance, and a checksum.
 * By the checksum a cursor of another kind is refused.
 */
export function formatCursor(position: number): string {
  return `${position.toString(36)}-${checksum(position)}`;
}

/** The position of the last message seen. An empty cursor is behind every message. */
export function parseCursor(cursor: string): number {
  if (cursor === "") return Number.MAX_SAFE_INTEGER;
  const position = Number.parseInt(cursor, 36);
  if (!Number.isSafeInteger(position) || formatCursor(position) !== cursor) {
    throw new StoreError("INVALID_CURSOR", "The cursor is not one that this store gave out.");
  }
  return position;
}

function checksum(position: number): string {
  return crc32(`history ${position}`).toString(36);
}
