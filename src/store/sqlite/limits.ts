import type { StoreLimits } from "../limits.js";
import { storeLimits } from "../limits.js";

export interface SqliteLimits extends StoreLimits {
  /**
   * Bytes that must be free on the disk for a message to be accepted. SQLite cannot empty its
   * write-ahead log into a file that cannot grow, and then takes no write at all: this room is what
   * lets reports, renamings and pruning go on when messages are refused.
   */
  readonly reserveBytes: number;
}

export const sqliteLimits: SqliteLimits = { ...storeLimits, reserveBytes: 32 * 1024 * 1024 };

/** What is written to learn why a write failed, in bytes: as much as a batch of messages may take, and its log. */
export const probeBytes = 4 * 1024 * 1024;

/** Between two looks whether there is room again. */
export const probeIntervalMs = 250;

/** Calls in one transaction. */
export const maxBatchCalls = 256;

/** Bytes of message bodies in one transaction, unless a single call has more. */
export const maxBatchBytes = 1024 * 1024;

/** Calls that wait for a transaction; the next is UNAVAILABLE. */
export const maxWaitingCalls = 65_536;

/** Pages of the write-ahead log at which SQLite copies them into the database. */
export const checkpointPages = 1000;

/** Bytes that the write-ahead log keeps on disk once it was copied. */
export const keptLogBytes = 8 * 1024 * 1024;

/** Damaged messages that are counted; there may be more. */
export const maxKnownDamaged = 10_000;

/**
 * Bytes of a database up to which its structure is checked whenever it is opened, at some milliseconds
 * for each MiB: agents wait for their broker to start.
 */
export const maxCheckedBytes = 128 * 1024 * 1024;

/** The greatest key of a message or a delivery: no database lives long enough to give out more. */
export const maxKey = 2 ** 47;

/** Damaged rows that are salvaged as such; of more nothing is told but that they are gone. */
export const maxSalvagedDamaged = 1000;

/** Bytes of a row beyond which it is none of ours: twice what a message may have. */
export const maxRowBytes = 2 * 1024 * 1024;

/** Rows that a migration holds in memory at once. */
export const maxMigratedRows = 500;

/** Rows (messages and their deliveries) that one slice of pruning deletes, save for one message more. */
export const pruneSliceRows = 100;

/** Free pages that the file keeps for what comes next. */
export const keptFreePages = 1024;

/** Free pages given back to the file system in one slice. */
export const reclaimSlicePages = 200;

/** Words on damage that are kept for whoever asks after the store's health. */
export const maxDamagesTold = 16;
