import type { StoreErrorCode } from "../../broker/store.js";
import type { StoredReceipt } from "../stored-receipt.js";
import { checksumOf, type MessageCheck, type MessageRow } from "./checksum.js";
import type { FreeSpace } from "./free-space.js";
import { isQueueFull } from "./full-queue.js";
import type { SqliteLimits } from "./limits.js";
import type { EnqueueOutcome, Operations, Recipient } from "./operations.js";
import type { Statements } from "./statements.js";

/**
 * Stores a message once and one delivery for each recipient that does not have it yet. The message is
 * written with its first delivery: one that nobody accepts is not kept.
 */
export function enqueueOperation(
  statements: Statements,
  check: MessageCheck,
  limits: SqliteLimits,
  freeSpace: FreeSpace,
): Operations["enqueue"] {
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
      const known = id === undefined ? undefined : statements.receiptOf.one(id, recipient.peerId);
      if (known !== undefined) return { ok: true, duplicate: true, receipt: known, earlierBody };
      if (expireMs <= message.acceptTimeMs) {
        const words = `The message ${message.messageId} has expired: send it under a new id.`;
        return refused("MESSAGE_ID_REUSED", words);
      }
      if (noRoom !== undefined) return refused("FULL", noRoom);
      if (isQueueFull(statements, limits, recipient.peerId, sizeBytes)) {
        return refused("QUEUE_FULL", `The queue of ${recipient.name} is full.`);
      }
      id ??= insertMessage(message);
      const receipt = insertDelivery(id, message, expireMs, recipient, sizeBytes);
      return { ok: true, duplicate: false, receipt, earlierBody };
    });
  };

  function insertMessage(message: MessageRow): number {
    const id = statements.insertMessage.run(
      message.fromPeerId,
      message.fromName,
      message.messageId,
      message.threadId,
      message.fingerprint,
      message.acceptTimeMs,
      checksumOf(message),
      message.body,
    );
    statements.insertParticipant.run(message.fromPeerId, id);
    return id;
  }

  function insertDelivery(
    id: number,
    { fromPeerId, acceptTimeMs }: MessageRow,
    expireTimeMs: number,
    { peerId, name }: Recipient,
    sizeBytes: number,
  ): StoredReceipt {
    statements.insertDelivery.run(
      id,
      peerId,
      name,
      fromPeerId,
      sizeBytes,
      expireTimeMs,
      acceptTimeMs,
    );
    statements.insertParticipant.run(peerId, id);
    const receipt = statements.receiptOf.one(id, peerId);
    if (receipt === undefined) throw new Error("an inserted delivery is not there");
    return receipt;
  }
}

function refused(code: StoreErrorCode, message: string): EnqueueOutcome {
  return { ok: false, code, message };
}
