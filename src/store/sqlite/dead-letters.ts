import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../broker/store.js";
import { queuedReceipt } from "../stored-receipt.js";
import type { MessageCheck } from "./damage/message-check.js";
import type { Operations } from "./operations.js";
import { soundDelivery, toAdvanced, writeReceipt } from "./receipts.js";
import type { Room } from "./room.js";
import type { DeliveryRow } from "./damage/row-checksums.js";
import type { DeliveryColumns, Statements } from "./statements.js";

/** What becomes of dead letters when somebody decides on them. */
export function deadLetterOperations(
  statements: Statements,
  check: MessageCheck,
  room: Room,
): Pick<Operations, "redrive" | "drop"> {
  return {
    redrive(peerId, seq) {
      const row = deadLetter(peerId, seq);
      const sound = soundDelivery(check, row, () => check.intactBody(row));
      if (sound.isVoid) {
        throw new StoreError("DATA_LOSS", `The message ${seq} of ${peerId} is damaged.`);
      }
      const { senderPeerId, sizeBytes } = sound;
      const problem = room.problemOfQueue(
        { peerId, name: sound.peerName },
        senderPeerId,
        sizeBytes,
      );
      if (problem !== undefined)
        throw new StoreError(problem.code, problem.message, { bound: problem.bound });
      const receipt = queuedReceipt(sound);
      writeReceipt(statements, { ...sound, redriven: 1 }, receipt);
      return toAdvanced(row, sound, receipt, true);
    },

    drop(peerId, seq) {
      removeDelivery(statements, deadLetter(peerId, seq));
    },
  };

  function deadLetter(peerId: string, seq: number): DeliveryColumns {
    const row = statements.getDelivery.one(seq, peerId);
    if (row?.state === ReceiptState.DEAD_LETTERED) return row;
    throw new StoreError("NOT_FOUND", `The message ${seq} of ${peerId} is not dead-lettered.`);
  }
}

/** Removes one delivery, and its message with the last one. */
export function removeDelivery(
  statements: Statements,
  { seq, id, peerId, senderPeerId }: DeliveryRow,
): void {
  statements.deleteDelivery.run(seq);
  if (peerId !== senderPeerId) statements.deleteParticipant.run(peerId, id);
  if (statements.recipientsOf.one(id) !== undefined) return;
  statements.deleteParticipant.run(senderPeerId, id);
  statements.deleteMessage.run(id);
}
