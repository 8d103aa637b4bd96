import { StoreError } from "../../broker/store.js";
import { climb } from "../ladder.js";
import type { StoredReceipt } from "../stored-receipt.js";
import type { MessageCheck } from "./checksum.js";
import type { AdvancedRow, Operations } from "./operations.js";
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
      const { receipt, moved } = climb(receiptOf(row), change, nowMs);
      writeReceipt(statements, receipt);
      return toAdvanced(row, receipt, moved);
    },

    getReceipt(peerId, seq) {
      const row = statements.getDelivery.one(seq, peerId);
      if (row === undefined) return undefined;
      if (check.intactBody(row) === undefined) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      return toAdvanced(row, receiptOf(row), false);
    },

    countWaiting: (peerIds) =>
      new Map(
        peerIds.map((peerId) => [peerId, statements.getQueue.one(peerId)?.waitingMessages ?? 0]),
      ),
  };
}

export function writeReceipt(statements: Statements, receipt: StoredReceipt): void {
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
  receipt: StoredReceipt,
  moved: boolean,
): AdvancedRow {
  const { senderPeerId: fromPeerId } = row;
  const isGone = row.body === null;
  const fromName = isGone ? "" : row.fromName;
  const messageId = isGone ? "" : row.messageId;
  return { fromPeerId, fromName, messageId, receipt, moved };
}
