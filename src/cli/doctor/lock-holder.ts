import { statSync } from "node:fs";
import { join } from "node:path";
import { readRegularFile } from "../../endpoint/regular-file.js";
import { maxLocksBytes } from "./limits.js";

/**
 * The process that holds a home's lock: its broker, or one that is about to serve or is ending. Undefined
 * where nobody does, or where the system does not show locks as a file. The lock is not taken to find
 * out: a broker that starts at that moment would think that another serves.
 */
export async function lockHolder(home: string): Promise<number | undefined> {
  const stats = statSync(join(home, "lock.db"), { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  for (const line of await lockLines()) {
    const [, inode, first] = /\S+:\S+:(\d+) (\d+) \S+$/.exec(line) ?? [];
    const pid = Number(/ WRITE +(-?\d+) /.exec(line)?.[1]);
    if (Number(inode) === stats.ino && sqliteLockBytes.has(Number(first)) && pid > 0) return pid;
  }
  return undefined;
}

/** Where SQLite's locks begin: those of a writer that waits, and of one that has the file. */
const sqliteLockBytes: ReadonlySet<number> = new Set([0x4000_0000, 0x4000_0001, 0x4000_0002]);

async function lockLines(): Promise<string[]> {
  const locks = await readRegularFile("/proc/locks", maxLocksBytes);
  return locks?.bytes?.toString().split("\n") ?? [];
}
