import type Database from "libsql";
import { isOpen } from "../ladder.js";
import { keptFreePages, pruneSliceRows, reclaimSlicePages } from "./limits.js";
import type { Operations } from "./operations.js";
import type { Statements } from "./statements.js";

/** Deletes what is old and closed for every recipient, and shrinks the file, slice by slice. */
export function pruneOperations(
  database: Database.Database,
  statements: Statements,
): Pick<Operations, "prune" | "reclaim"> {
  return {
    prune(beforeMs, from) {
      let rows = 0;
      let mark = from;
      const aged = statements.agedMessages;
      const slice = aged.all(from.acceptTimeMs, from.id, beforeMs, pruneSliceRows);
      for (const { id, acceptTimeMs, fromPeerId } of slice) {
        if (rows >= pruneSliceRows) return mark;
        rows += removeIfClosed(id, fromPeerId);
        mark = { id, acceptTimeMs };
      }
      return slice.length < pruneSliceRows ? undefined : mark;
    },

    reclaim() {
      if (freePages() <= keptFreePages) return false;
      // Not prepared: libsql's `run` stops it at its first page, in progress, and no savepoint opens then.
      database.exec(`PRAGMA incremental_vacuum(${reclaimSlicePages})`);
      return freePages() > keptFreePages;
    },
  };

  function removeIfClosed(id: number, fromPeerId: string): number {
    const recipients = statements.recipientsOf.all(id);
    if (recipients.some(({ state }) => isOpen(state))) return 0;
    for (const peerId of [fromPeerId, ...recipients.map(({ peerId }) => peerId)]) {
      statements.deleteParticipant.run(peerId, id);
    }
    statements.deleteDeliveries.run(id);
    statements.deleteMessage.run(id);
    return 1 + recipients.length;
  }

  function freePages(): number {
    return statements.freePages.one()?.pages ?? 0;
  }
}
