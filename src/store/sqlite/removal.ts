import type Database from "libsql";
import { isOpen, isWaiting } from "../stored-message.js";
import { purgeSliceMessages } from "../limits.js";
import type { Quarantine } from "./damage/quarantine.js";
import { keptFreePages, pruneSliceRows, reclaimSlicePages } from "./limits.js";
import type { AdvancedRow, Operations, PruneMark } from "./operations.js";
import {
  deadLetter,
  deliveriesOf,
  mailBySeq,
  receiptOf,
  soundDelivery,
  toAdvanced,
} from "./receipts.js";
import { type ReadDelivery, readInteger, readText, type Statements } from "./statements.js";

/** Removes a dead letter, what a peer sent, or what is old, and shrinks the file. */
export function removalOperations(
  database: Database.Database,
  statements: Statements,
  quarantine: Quarantine,
): Pick<Operations, "drop" | "purge" | "prune" | "reclaim"> {
  const mailAt = mailBySeq(statements);
  const deliveriesAt = deliveriesOf(statements);
  /** The messages that a peer sent or received, in the order of acceptance. */
  const messagesOf = statements.prepare<{ id: number }>(
    `SELECT ${readInteger("message")} AS id FROM participant
    WHERE peer_id = :peerId AND message > :after ORDER BY message LIMIT :limit`,
  );
  /** In the order of acceptance times. */
  const agedMessages = statements.prepare<PruneMark & { fromPeerId: string }>(
    `SELECT id, ${readInteger("accept_time_ms")} AS acceptTimeMs, ${readText("from_peer_id")} AS fromPeerId
    FROM message INDEXED BY message_by_accept_time
    WHERE (accept_time_ms, id) > (:acceptTimeMs, :id) AND accept_time_ms < :beforeMs
    ORDER BY accept_time_ms, id LIMIT :limit`,
  );
  const recipientsOf = statements.prepare<{ peerId: string; state: number }>(
    `SELECT ${readText("peer_id")} AS peerId, ${readInteger("state")} AS state
    FROM delivery WHERE message = :id`,
  );
  const deleteMessage = statements.prepare("DELETE FROM message WHERE id = :id");
  const deleteDelivery = statements.prepare("DELETE FROM delivery WHERE seq = :seq");
  const deleteDeliveries = statements.prepare("DELETE FROM delivery WHERE message = :id");
  const deleteParticipant = statements.prepare(
    "DELETE FROM participant WHERE peer_id = :peerId AND message = :id",
  );
  const countFreePages = statements.prepare<{ pages: number }>(
    "SELECT freelist_count AS pages FROM pragma_freelist_count",
  );

  return {
    drop(peerId, seq) {
      remove(deadLetter(mailAt, peerId, seq));
    },

    purge(from, waiting, after) {
      const removed: AdvancedRow[] = [];
      const slice = messagesOf.all({ peerId: from, after, limit: purgeSliceMessages });
      for (const { id } of slice) {
        for (const { seq, peerId, senderPeerId, state } of deliveriesAt.all({ id })) {
          if (senderPeerId !== from || (waiting && !isWaiting(state))) continue;
          const row = mailAt.one({ seq, peerId });
          if (row === undefined) continue;
          const sound = soundDelivery(quarantine, row, () => quarantine.intactBody(row));
          removed.push(toAdvanced(row, sound, receiptOf(sound), true));
          remove(row);
        }
      }
      const isLast = slice.length < purgeSliceMessages;
      return { removed, next: isLast ? undefined : slice.at(-1)?.id };
    },

    prune(beforeMs, from) {
      let rows = 0;
      let mark = from;
      const slice = agedMessages.all({ ...from, beforeMs, limit: pruneSliceRows });
      for (const { id, acceptTimeMs, fromPeerId } of slice) {
        if (rows >= pruneSliceRows) return mark;
        rows += removeIfClosed(id, fromPeerId);
        mark = { id, acceptTimeMs };
      }
      return slice.length < pruneSliceRows ? undefined : mark;
    },

    reclaim() {
      if (freePages() <= keptFreePages) return false;
      // libsql's `run` would stop after the first page, and no savepoint opens until the statement ends.
      database.exec(`PRAGMA incremental_vacuum(${reclaimSlicePages})`);
      return freePages() > keptFreePages;
    },
  };

  /** Removes one delivery, and its message with the last one. */
  function remove({ seq, id, peerId, senderPeerId }: ReadDelivery): void {
    deleteDelivery.run({ seq });
    if (peerId !== senderPeerId) deleteParticipant.run({ peerId, id });
    if (recipientsOf.one({ id }) !== undefined) return;
    deleteParticipant.run({ peerId: senderPeerId, id });
    deleteMessage.run({ id });
  }

  function removeIfClosed(id: number, fromPeerId: string): number {
    const recipients = recipientsOf.all({ id });
    if (recipients.some(({ state }) => isOpen(state))) return 0;
    for (const peerId of [fromPeerId, ...recipients.map((one) => one.peerId)]) {
      deleteParticipant.run({ peerId, id });
    }
    deleteDeliveries.run({ id });
    deleteMessage.run({ id });
    return 1 + recipients.length;
  }

  function freePages(): number {
    return countFreePages.one()?.pages ?? 0;
  }
}
