import { statfsSync } from "node:fs";
import { dirname } from "node:path";

/** The file system of the database, and the room on it that messages must leave to everything else. */
export class FreeSpace {
  readonly #folder: string;
  readonly #reserveBytes: number;

  constructor(databasePath: string, reserveBytes: number) {
    this.#folder = dirname(databasePath);
    this.#reserveBytes = reserveBytes;
  }

  /** Why messages are refused now, as one sentence; undefined while there is room. */
  problem(): string | undefined {
    const { bavail, bsize } = statfsSync(this.#folder);
    const freeBytes = bavail * bsize;
    if (freeBytes >= this.#reserveBytes) return undefined;
    return `The disk is full: ${mebibytes(freeBytes)} are free, and messages are taken from ${mebibytes(this.#reserveBytes)} on.`;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / (1024 * 1024))} MiB`;
}
