import type { StoreLimits } from "../limits.js";
import { storeLimits } from "../limits.js";

export interface SqliteLimits extends StoreLimits {
  /**
   * Bytes that must be free on the disk for a message to be accepted. Reports, renamings and pruning go
   * on with less. Without a reserve they could not: SQLite takes no write when the file cannot grow.
   */
  readonly reserveBytes: number;
}

export const sqliteLimits: SqliteLimits = { ...storeLimits, reserveBytes: 32 * 1024 * 1024 };

/** Bytes of a probe that learns why a write failed: a batch of messages and its part of the WAL. */
export const probeBytes = 4 * 1024 * 1024;

/** Milliseconds between two probes for room. */
export const probeIntervalMs = 250;

/** Calls in one transaction. */
export const maxBatchCalls = 256;

/** Bytes of message bodies in one transaction. A single call may have more. */
export const maxBatchBytes = 1024 * 1024;

/** Calls that wait for a transaction. One more is UNAVAILABLE. */
export const maxWaitingCalls = 65_536;

/** Pages in the WAL from which on SQLite copies them into the database. */
export const checkpointPages = 1000;

/** Bytes of the WAL that stay on the disk once they were copied. */
export const keptWalBytes = 8 * 1024 * 1024;

/** Damaged messages that are counted. More are met, but not counted. */
export const maxKnownDamaged = 10_000;

/** Bytes of a database up to which each opening checks its structure, at some 10 ms for each MiB. */
export const maxCheckedBytes = 128 * 1024 * 1024;

/** The highest key of a message or a delivery. No database lives long enough to reach it. */
export const maxKey = 2 ** 47;

/** Damaged rows that a salvage keeps, marked as damaged. Of more it keeps nothing. */
export const maxSalvagedDamaged = 1000;

/** Bytes of the largest row that a salvage believes: twice what a message may have. */
export const maxRowBytes = 2 * 1024 * 1024;

/** Rows that a migration holds in memory at once. */
export const maxMigratedRows = 500;

/** Rows that one slice of pruning deletes: messages and deliveries. The last message may exceed it. */
export const pruneSliceRows = 100;

/** Free pages that stay in the file for new rows. */
export const keptFreePages = 1024;

/** Free pages that one slice gives back to the file system. */
export const reclaimSlicePages = 200;

/** The newest damages that the store's health tells of. */
export const maxDamagesTold = 16;
