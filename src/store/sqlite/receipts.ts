import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Message, MessageSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store.js";
import { climb } from "../ladder.js";
import { queuedReceipt, type StoredReceipt } from "../stored-receipt.js";
import type { CheckedDelivery, MessageCheck } from "./damage/message-check.js";
import type { AdvancedRow, Operations } from "./operations.js";
import { deliveryChecksum, type DeliveryRow, noChecksum } from "./damage/row-checksums.js";
import type { DeliveryColumns, Statements } from "./statements.js";

type ReceiptOperations = Pick<Operations, "advance" | "getReceipt" | "countWaiting">;

export function receiptOperations(statements: Statements, check: MessageCheck): ReceiptOperations {
  return {
    /** A damaged message moves like any other: only so can it be settled. */
    advance(peerId, seq, change, nowMs) {
      const row = statements.getDelivery.one(seq, peerId);
      if (row === undefined) {
        throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
      }
      const sound = soundDelivery(check, row, () => check.intactBody(row));
      const { receipt, moved } = climb(receiptOf(sound), change, nowMs);
      const isSetAside = sound.isVoid && row.state !== ReceiptState.DEAD_LETTERED;
      writeReceipt(statements, sound, receipt);
      return toAdvanced(row, sound, receipt, moved || isSetAside);
    },

    getReceipt(peerId, seq) {
      const row = statements.getDelivery.one(seq, peerId);
      if (row === undefined) return undefined;
      if (!check.isIntact(row) || check.intactBody(row) === undefined) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      return toAdvanced(row, row, receiptOf(row), false);
    },

    countWaiting: (peerIds) =>
      new Map(
        peerIds.map((peerId) => [peerId, statements.getQueue.one(peerId)?.waitingMessages ?? 0]),
      ),
  };
}

/** A delivery that may be acted on. */
export interface SoundDelivery extends DeliveryRow {
  /** Nobody can tell any more what it delivers. */
  readonly isVoid: boolean;
}

/**
 * The row as it was written. Where it is damaged and its message is whole, what is still certain: that
 * the message is stored for this recipient. It is QUEUED again and offered as redelivered. Where both
 * are damaged, a dead letter for good.
 */
export function soundDelivery(
  check: MessageCheck,
  row: CheckedDelivery,
  intactBody: () => Uint8Array | undefined,
): SoundDelivery {
  if (check.isIntact(row)) return { ...row, isVoid: false };
  const body = intactBody();
  const message = body && fromBinary(MessageSchema, body);
  const forgotten = message && forgottenDelivery(row, message);
  if (forgotten !== undefined) return { ...forgotten, isVoid: false };
  const { seq, id, peerId, peerName, senderPeerId, expireTimeMs } = row;
  const queuedMs = row.queuedMs ?? 0;
  return {
    ...queuedReceipt({ seq, peerId, peerName, queuedMs }),
    state: ReceiptState.DEAD_LETTERED,
    endedMs: queuedMs,
    reason: "its stored receipt is damaged",
    id,
    senderPeerId,
    expireTimeMs,
    sizeBytes: row.sizeBytes ?? 0,
    redriven: 0,
    isVoid: true,
  };
}

/** The delivery of a message of whose receipt nothing is known; undefined where it is not for this peer. */
export function forgottenDelivery(
  { seq, id, peerId }: Pick<DeliveryRow, "seq" | "id" | "peerId">,
  message: Message,
): DeliveryRow | undefined {
  const recipient = message.to.find((one) => one.peerId === peerId);
  const { from, acceptTime, expireTime } = message;
  if (recipient === undefined || !from || !acceptTime || !expireTime) return undefined;
  const queuedMs = timestampMs(acceptTime);
  return {
    ...queuedReceipt({ seq, peerId, peerName: recipient.name, queuedMs }),
    id,
    senderPeerId: from.peerId,
    sizeBytes: toBinary(MessageSchema, message).byteLength,
    expireTimeMs: timestampMs(expireTime),
    redriven: 1,
  };
}

/** What is void stays marked as damaged. */
export function writeReceipt(
  statements: Statements,
  row: SoundDelivery,
  receipt: StoredReceipt,
): void {
  statements.setReceipt.run(
    receipt.seq,
    receipt.state,
    receipt.leasedMs,
    receipt.presentedMs,
    receipt.confirmedMs,
    receipt.answeredMs,
    receipt.endedMs,
    receipt.confirmedBy,
    receipt.attempts,
    receipt.reason,
    receipt.queuedMs,
    receipt.peerName,
    row.sizeBytes,
    row.redriven,
    row.isVoid ? noChecksum : deliveryChecksum({ ...row, ...receipt }),
  );
}

/** The receipt alone, of a row that holds more. */
export function receiptOf(row: StoredReceipt): StoredReceipt {
  const { seq, peerId, peerName, state, queuedMs, leasedMs, presentedMs } = row;
  const { confirmedMs, answeredMs, endedMs, confirmedBy, attempts, reason } = row;
  return {
    seq,
    peerId,
    peerName,
    state,
    queuedMs,
    leasedMs,
    presentedMs,
    confirmedMs,
    answeredMs,
    endedMs,
    confirmedBy,
    attempts,
    reason,
  };
}

/** Says whose message it is also where that is damaged, or gone: then without what only it held. */
export function toAdvanced(
  row: DeliveryColumns,
  { senderPeerId: fromPeerId }: DeliveryRow,
  receipt: StoredReceipt,
  moved: boolean,
): AdvancedRow {
  const isGone = row.body === null;
  const fromName = isGone ? "" : row.fromName;
  const messageId = isGone ? "" : row.messageId;
  return { fromPeerId, fromName, messageId, receipt, moved };
}
