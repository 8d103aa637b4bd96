import { StoreError } from "../../broker/store/store.js";
import type { MovableStore } from "../../broker/store/transfer.js";
import type { Clock } from "../../clock.js";
import { capabilitiesOfOneProcess } from "../capabilities.js";
import { HistoryWatch } from "../history-watch.js";
import { describeLimits } from "../limits.js";
import { Calls, startWorker } from "./calls.js";
import { historyPart } from "./history-part.js";
import { Housekeeping } from "./housekeeping.js";
import { maxDamagesTold, type SqliteLimits, sqliteLimits } from "./limits.js";
import { peerPart } from "./peer-part.js";
import { openQueues } from "./queue-part.js";
import { recordPart } from "./record-part.js";

export interface SqliteStoreOptions {
  /** The database. A missing file is created, a missing folder is not. */
  readonly path: string;
  readonly clock: Clock;
  /** The built worker. Default: the one of the same bundle. */
  readonly workerUrl?: URL;
  /** Default of each: that of `sqliteLimits`. */
  readonly limits?: Partial<SqliteLimits>;
  /** Hears of an unexpected error of housekeeping, which no call rejects with. Default: it is thrown, uncaught. */
  readonly onDefect?: (error: unknown) => void;
  /** Hears of each damage that is found, and of what became of it, in a sentence or two. */
  readonly onDamage?: (words: string) => void;
  /**
   * Hears once that the store refuses every call from now on, because a write or a sync failed or its
   * thread ended. A new process has to open the database to know what is on the disk.
   */
  readonly onBroken?: (error: StoreError) => void;
}

/**
 * The store of one machine: an SQLite database in a worker thread. LOCKED where another process holds it,
 * NEWER_VERSION where a newer program wrote it, DATA_LOSS where it is not a database of ours. A damaged
 * database is salvaged.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<MovableStore> {
  const { path, clock, onDefect = throwUncaught, onBroken = () => {} } = options;
  const { workerUrl = new URL("../sqlite-worker.js", import.meta.url) } = options;
  const limits = { ...sqliteLimits, ...options.limits };
  const { worker, damages: found } = await startWorker(workerUrl, { path, limits });
  const damages: string[] = [];
  const onDamage = (words: string): void => {
    damages.push(words);
    damages.splice(0, damages.length - maxDamagesTold);
    options.onDamage?.(words);
  };
  const calls = new Calls({ worker, onIdle: () => housekeeping.begin(), onDamage, onBroken });
  for (const words of found) onDamage(words);
  const housekeeping = new Housekeeping({ calls, clock, limits, onDefect });
  housekeeping.begin();
  return storeOn({ calls, clock, limits, damages });
}

function storeOn(parts: {
  calls: Calls;
  clock: Clock;
  limits: SqliteLimits;
  damages: readonly string[];
}): MovableStore {
  const { calls, clock, limits, damages } = parts;
  const watch = new HistoryWatch();
  const queuePart = openQueues(calls, clock, watch);

  return {
    info: {
      technology: "sqlite",
      durability: "disk",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
      capabilities: capabilitiesOfOneProcess,
    },

    async health() {
      try {
        return { ...(await calls.call("checkHealth")), damages };
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        const unknown = { bytes: 0, freeBytes: 0, damagedMessages: 0 };
        return { writable: false, problem: error.message, ...unknown, damages };
      }
    },

    peers: peerPart(calls, clock),
    queues: queuePart.queues,
    history: historyPart(calls, clock, { watch, queuePart }),
    records: recordPart(calls, clock),

    async [Symbol.asyncDispose]() {
      queuePart.close();
      await calls[Symbol.asyncDispose]();
    },
  };
}

function throwUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
