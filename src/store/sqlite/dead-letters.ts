import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store.js";
import type { StoreLimits } from "../limits.js";
import { queuedReceipt } from "../stored-receipt.js";
import { isQueueFull } from "./full-queue.js";
import type { Operations } from "./operations.js";
import { toAdvanced, writeReceipt } from "./receipts.js";
import type { DeliveryColumns, Statements } from "./statements.js";

/** What becomes of dead letters when somebody decides on them. */
export function deadLetterOperations(
  statements: Statements,
  limits: StoreLimits,
): Pick<Operations, "redrive" | "drop"> {
  return {
    redrive(peerId, seq) {
      const row = deadLetter(peerId, seq);
      if (isQueueFull(statements, limits, peerId, row.sizeBytes)) {
        throw new StoreError("QUEUE_FULL", `The queue of ${row.peerName} is full.`);
      }
      const receipt = queuedReceipt(row);
      writeReceipt(statements, receipt);
      statements.markRedriven.run(seq);
      return toAdvanced(row, receipt, true);
    },

    drop(peerId, seq) {
      const { id, senderPeerId } = deadLetter(peerId, seq);
      statements.deleteDelivery.run(seq);
      if (peerId !== senderPeerId) statements.deleteParticipant.run(peerId, id);
      if (statements.recipientsOf.one(id) !== undefined) return;
      statements.deleteParticipant.run(senderPeerId, id);
      statements.deleteMessage.run(id);
    },
  };

  function deadLetter(peerId: string, seq: number): DeliveryColumns {
    const row = statements.getDelivery.one(seq, peerId);
    if (row?.state === ReceiptState.DEAD_LETTERED) return row;
    throw new StoreError("NOT_FOUND", `The message ${seq} of ${peerId} is not dead-lettered.`);
  }
}
