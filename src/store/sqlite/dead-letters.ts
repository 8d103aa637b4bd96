import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store.js";
import type { StoreLimits } from "../limits.js";
import { queuedReceipt } from "../stored-receipt.js";
import type { MessageCheck } from "./checksum.js";
import { isQueueFull } from "./full-queue.js";
import type { Operations } from "./operations.js";
import { soundDelivery, toAdvanced, writeReceipt } from "./receipts.js";
import type { DeliveryColumns, Statements } from "./statements.js";

/** What becomes of dead letters when somebody decides on them. */
export function deadLetterOperations(
  statements: Statements,
  check: MessageCheck,
  limits: StoreLimits,
): Pick<Operations, "redrive" | "drop"> {
  return {
    redrive(peerId, seq) {
      const row = deadLetter(peerId, seq);
      const sound = soundDelivery(check, row, () => check.intactBody(row));
      if (sound.isVoid) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      if (isQueueFull(statements, limits, peerId, sound.sizeBytes)) {
        throw new StoreError("QUEUE_FULL", `The queue of ${sound.peerName} is full.`);
      }
      const receipt = queuedReceipt(sound);
      writeReceipt(statements, { ...sound, redriven: 1 }, receipt);
      return toAdvanced(row, sound, receipt, true);
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
