import type { HistoryStore } from "../../broker/store/history.js";
import type { Clock } from "../../clock.js";
import type { HistoryWatch } from "../history-watch.js";
import { formatCursor, parseCursor } from "../stored-message.js";
import type { Calls } from "./calls.js";
import type { QueuePart } from "./queue-part.js";
import { toAdvanced, toRecord } from "./rows.js";

export function historyPart(
  calls: Calls,
  clock: Clock,
  { watch, queuePart }: { watch: HistoryWatch; queuePart: QueuePart },
): HistoryStore {
  return {
    watch: (listener) => watch.add(listener),

    async getReceipt(peerId, seq) {
      const row = await calls.call("getReceipt", peerId, Number(seq));
      return row && toAdvanced(row);
    },

    async find({ messageId, senders, viewer, limit }) {
      const rows = await calls.call("findMessages", messageId, senders, viewer, limit);
      return rows.map(toRecord);
    },

    async list({ cursor, ...query }) {
      const before = parseCursor(cursor);
      const { records, next } = await calls.call("listMessages", { ...query, before });
      return { records: records.map(toRecord), next: next === undefined ? "" : formatCursor(next) };
    },

    async listExpired({ after, limit }) {
      const from = { expireTimeMs: after?.expireTimeMs ?? 0, seq: Number(after?.seq ?? 0) };
      const rows = await calls.call("listExpired", from, limit, clock.now());
      return rows.map((row) => ({ ...row, seq: BigInt(row.seq) }));
    },

    nextExpiryMs: () => calls.call("nextExpiryMs"),

    async purge({ from, waiting, after, reason }) {
      const { removed: rows, next } = await calls.call("purge", from, waiting, after);
      const removed = rows.map(toAdvanced);
      queuePart.withdraw(removed.map(({ receipt }) => receipt));
      for (const one of removed) watch.removed(one, reason);
      return { removed, next };
    },
  };
}
