import type { StoreErrorCode } from "../../broker/store.js";
import { queuedReceipt, type StoredReceipt } from "../stored-receipt.js";
import type { MessageCheck } from "./damage/message-check.js";
import type { FreeSpace } from "./free-space.js";
import { insertDelivery, insertMessage } from "./insert-rows.js";
import type { EnqueueOutcome, Operations, Recipient } from "./operations.js";
import type { Room } from "./room.js";
import { receiptOf, soundDelivery } from "./receipts.js";
import { deliveryChecksum, messageChecksum, type MessageRow } from "./damage/row-checksums.js";
import type { Statements } from "./statements.js";

/**
 * Stores a message once and one delivery for each recipient that does not have it yet. The message is
 * written with its first delivery: one that nobody accepts is not kept.
 */
export function enqueueOperation(
  statements: Statements,
  check: MessageCheck,
  room: Room,
  freeSpace: FreeSpace,
): Operations["enqueue"] {
  // The keys are given out here, and by nobody else: a row's checksum covers its own.
  const last = statements.lastKeys.one() ?? { id: 0, seq: 0 };

  return (message, expireTimeMs, recipients) => {
    const earlier = statements.messageByKey.one(message.fromPeerId, message.messageId);
    if (earlier !== undefined && earlier.fingerprint !== message.fingerprint) {
      const words = `The sender used the message id ${message.messageId} for other content.`;
      return recipients.map(() => refused("MESSAGE_ID_REUSED", words));
    }
    const earlierBody = earlier && check.intactBody(earlier);
    if (earlier !== undefined && earlierBody === undefined) {
      const words = `The stored message ${message.messageId} is damaged.`;
      return recipients.map(() => refused("DATA_LOSS", words));
    }
    // The times are those of the message, whenever a recipient is added to it.
    const acceptTimeMs = earlier?.acceptTimeMs ?? message.acceptTimeMs;
    const expireMs = acceptTimeMs + (expireTimeMs - message.acceptTimeMs);
    const sizeBytes = (earlierBody ?? message.body).byteLength;
    const noRoom = freeSpace.problem();
    let id = earlier?.id;
    return recipients.map((recipient) => {
      const known = id === undefined ? undefined : receiptOfRecipient(id, recipient, earlierBody);
      if (known !== undefined) return { ok: true, duplicate: true, receipt: known, earlierBody };
      if (expireMs <= message.acceptTimeMs) {
        const words = `The message ${message.messageId} has expired: send it under a new id.`;
        return refused("MESSAGE_ID_REUSED", words);
      }
      if (noRoom !== undefined) return refused("FULL", noRoom);
      const noQueueRoom = room.problemOfQueue(recipient, message.fromPeerId, sizeBytes);
      if (noQueueRoom !== undefined) return { ok: false, ...noQueueRoom };
      const noMailRoom = room.problemOfMail(message.fromPeerId, id === undefined ? sizeBytes : 0);
      if (noMailRoom !== undefined) return { ok: false, ...noMailRoom };
      id ??= storeMessage(message);
      const receipt = storeDelivery(id, message, expireMs, recipient, sizeBytes);
      return { ok: true, duplicate: false, receipt, earlierBody };
    });
  };

  function receiptOfRecipient(
    id: number,
    { peerId }: Recipient,
    body: Uint8Array | undefined,
  ): StoredReceipt | undefined {
    const row = statements.receiptOf.one(id, peerId);
    return row && receiptOf(soundDelivery(check, row, () => body));
  }

  function storeMessage(message: MessageRow): number {
    last.id += 1;
    insertMessage(statements, last.id, message, messageChecksum(last.id, message));
    statements.insertParticipant.run(message.fromPeerId, last.id);
    return last.id;
  }

  function storeDelivery(
    id: number,
    { fromPeerId: senderPeerId, acceptTimeMs: queuedMs }: MessageRow,
    expireTimeMs: number,
    { peerId, name: peerName }: Recipient,
    sizeBytes: number,
  ): StoredReceipt {
    last.seq += 1;
    const receipt = queuedReceipt({ seq: last.seq, peerId, peerName, queuedMs });
    const row = { ...receipt, id, senderPeerId, sizeBytes, expireTimeMs, redriven: 0 };
    insertDelivery(statements, row, deliveryChecksum(row));
    statements.insertParticipant.run(peerId, id);
    return receipt;
  }
}

function refused(code: StoreErrorCode, message: string): EnqueueOutcome {
  return { ok: false, code, message };
}
