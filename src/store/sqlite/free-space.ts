import { statfsSync, statSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { systemClock } from "../../clock.js";
import type { Quarantine } from "./damage/quarantine.js";
import { probeBytes, probeIntervalMs } from "./limits.js";
import type { Operations } from "./operations.js";
import type { Statements } from "./statements.js";
import { removeIfPossible, withFile } from "./store-file.js";

/**
 * The free space beside the database, of which messages must leave a reserve for everything else.
 *
 * SQLite tells only of a full disk. To it a used-up quota, a bound on file sizes and a read-only disk look
 * like a broken disk. A probe tells them apart: a file beside the database, as large as a batch. While the
 * probe cannot be written, there is no room.
 */
export class FreeSpace {
  readonly #databasePath: string;
  readonly #reserveBytes: number;
  #refusal: string | undefined;
  #probedMs = Number.NEGATIVE_INFINITY;

  constructor(databasePath: string, reserveBytes: number) {
    this.#databasePath = databasePath;
    this.#reserveBytes = reserveBytes;
  }

  /** One sentence on why messages are refused now; undefined while there is room. */
  problem(): string | undefined {
    const isDue = systemClock.monotonic() - this.#probedMs >= probeIntervalMs;
    if (this.#refusal !== undefined && isDue) this.explainFailure();
    if (this.#refusal !== undefined) return this.#refusal;
    const { bavail, bsize } = statfsSync(dirname(this.#databasePath));
    const freeBytes = bavail * bsize;
    if (freeBytes >= this.#reserveBytes) return undefined;
    return `The disk is full: ${mebibytes(freeBytes)} are free, and messages are taken from ${mebibytes(this.#reserveBytes)} on.`;
  }

  /** One sentence on why a write failed for want of room; undefined where it failed otherwise. */
  explainFailure(): string | undefined {
    this.#refusal = explainRefusedWrite(this.#databasePath);
    this.#probedMs = systemClock.monotonic();
    return this.#refusal;
  }
}

/** Whether messages are accepted, and what an operator wants to know of the database. */
export function healthOperation(
  statements: Statements,
  quarantine: Quarantine,
  freeSpace: FreeSpace,
): Operations["checkHealth"] {
  const sizeOfFile = statements.prepare<{ pages: number; freePages: number; pageBytes: number }>(
    `SELECT page_count AS pages, freelist_count AS freePages, page_size AS pageBytes
    FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  );
  return () => {
    const problem = freeSpace.problem();
    const size = sizeOfFile.one() ?? { pages: 0, freePages: 0, pageBytes: 0 };
    return {
      writable: problem === undefined,
      problem: problem ?? "",
      bytes: size.pages * size.pageBytes,
      freeBytes: size.freePages * size.pageBytes,
      damagedMessages: quarantine.damagedMessages,
    };
  };
}

/** One sentence on the lack of room beside a database; undefined where there is room, or another failure. */
export function explainRefusedWrite(databasePath: string): string | undefined {
  const probePath = `${databasePath}.write-probe`;
  try {
    // It ends behind the largest file, so that it meets a bound on file sizes, too.
    const from = Math.max(...["", "-wal"].map((suffix) => sizeOf(databasePath + suffix)));
    withFile(probePath, "replace", (file) => fill(file, from));
    return undefined;
  } catch (error) {
    const number = error instanceof Error && "errno" in error ? -Number(error.errno) : 0;
    return refusals.get(number)?.(dirname(databasePath));
  } finally {
    removeIfPossible(probePath);
  }
}

/** By number, because Node has no name for EDQUOT. */
const refusals = new Map<number, (folder: string) => string>([
  [constants.errno.ENOSPC, () => "The disk is full."],
  [
    constants.errno.EDQUOT,
    (folder) =>
      `The quota of disk space is used up: writes to ${folder} are refused (EDQUOT). Free some room, or have it raised.`,
  ],
  [
    constants.errno.EFBIG,
    (folder) =>
      `Files in ${folder} may not grow further (EFBIG): the broker runs under a bound on their size (ulimit -f). Stop it, and start it without one.`,
  ],
  [
    constants.errno.EROFS,
    (folder) =>
      `The file system of ${folder} has become read-only (EROFS): have it checked, and mounted so that it can be written.`,
  ],
]);

function fill(file: number, from: number): void {
  const bytes = Buffer.alloc(probeBytes);
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, from + done);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / (1024 * 1024))} MiB`;
}
