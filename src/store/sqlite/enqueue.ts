import type { StoreErrorCode } from "../../broker/store/store.js";
import { leased, queuedReceipt, type StoredReceipt } from "../stored-message.js";
import type { Quarantine } from "./damage/quarantine.js";
import type { FreeSpace } from "./free-space.js";
import type { EnqueueOutcome, NewMessage, Operations, Recipient } from "./operations.js";
import { receiptOf, soundDelivery } from "./receipts.js";
import type { Room } from "./room.js";
import {
  deliverySelect,
  messageSelect,
  type ReadDelivery,
  type ReadMessage,
  type Statement,
  type Statements,
} from "./statements.js";
import { deliveryTable, messageTable } from "./tables.js";

/**
 * Stores a message once, and one delivery for each recipient that does not have it yet. The message is
 * written with its first delivery. So a message that no recipient has room for is not kept.
 */
export function enqueueOperation(
  statements: Statements,
  quarantine: Quarantine,
  { room, freeSpace, keys: last }: { room: Room; freeSpace: FreeSpace; keys: LastKeys },
): Operations["enqueue"] {
  const messageByKey = messageOfSender(statements);
  const receiptTo = deliveryTo(statements);
  const insertMessage = statements.insertInto(messageTable);
  const insertDelivery = statements.insertInto(deliveryTable);
  const insertParticipant = participantInsertion(statements);

  return (message, expireTimeMs, recipients) => {
    const earlier = messageByKey.one(message);
    if (earlier !== undefined && earlier.fingerprint !== message.fingerprint) {
      const words = `The sender used the message id ${message.messageId} for other content.`;
      return recipients.map(() => refused("MESSAGE_ID_REUSED", words));
    }
    const earlierBody = earlier && quarantine.intactBody(earlier);
    if (earlier !== undefined && earlierBody === undefined) {
      const words = `The stored message ${message.messageId} is damaged.`;
      return recipients.map(() => refused("DATA_LOSS", words));
    }
    // A recipient that is added later gets the message's own times.
    const acceptTimeMs = earlier?.acceptTimeMs ?? message.acceptTimeMs;
    const expireMs = acceptTimeMs + (expireTimeMs - message.acceptTimeMs);
    const sizeBytes = (earlierBody ?? message.body).byteLength;
    const noRoom = freeSpace.problem();
    let id = earlier?.id;
    return recipients.map((recipient) => {
      const known = earlier && receiptOfRecipient(earlier.id, recipient, earlierBody);
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
    const row = receiptTo.one({ id, peerId });
    return row && receiptOf(soundDelivery(quarantine, row, () => body));
  }

  function storeMessage(message: NewMessage): number {
    last.id += 1;
    insertMessage({ ...message, id: last.id });
    insertParticipant.run({ peerId: message.fromPeerId, id: last.id });
    return last.id;
  }

  function storeDelivery(
    id: number,
    { fromPeerId: senderPeerId, acceptTimeMs: queuedMs }: NewMessage,
    expireTimeMs: number,
    { peerId, name: peerName, isLeased }: Recipient,
    sizeBytes: number,
  ): StoredReceipt {
    last.seq += 1;
    const queued = queuedReceipt({ seq: last.seq, peerId, peerName, queuedMs });
    const receipt = isLeased ? leased(queued, queuedMs) : queued;
    insertDelivery({ ...receipt, id, senderPeerId, sizeBytes, expireTimeMs, redriven: 0 });
    insertParticipant.run({ peerId, id });
    return receipt;
  }
}

export function messageOfSender(statements: Statements): Statement<ReadMessage> {
  return statements.prepare(
    `${messageSelect} WHERE m.from_peer_id = :fromPeerId AND m.message_id = :messageId`,
  );
}

export function deliveryTo(statements: Statements): Statement<ReadDelivery> {
  return statements.prepare(`${deliverySelect} WHERE d.message = :id AND d.peer_id = :peerId`);
}

/** Notes who sent or received a message. */
export function participantInsertion(statements: Statements): Statement<never> {
  return statements.prepare(
    "INSERT OR IGNORE INTO participant (peer_id, message) VALUES (:peerId, :id)",
  );
}

/**
 * The highest keys that were ever given out. Whoever inserts a row takes the next one from here. SQLite does
 * not give them, because a row's checksum covers its key.
 */
export interface LastKeys {
  id: number;
  seq: number;
}

export function lastKeys(statements: Statements): LastKeys {
  const keys = statements.prepare<LastKeys>(
    `SELECT ${lastKey("message", "id")} AS id, ${lastKey("delivery", "seq")} AS seq`,
  );
  return keys.one() ?? { id: 0, seq: 0 };
}

/** `sqlite_sequence` also knows the keys of rows that are gone. */
function lastKey(table: string, key: string): string {
  return `max((SELECT coalesce(max(${key}), 0) FROM ${table}),
    coalesce((SELECT CAST(seq AS INTEGER) FROM sqlite_sequence WHERE name = '${table}'), 0))`;
}

function refused(code: StoreErrorCode, message: string): EnqueueOutcome {
  return { ok: false, code, message };
}
