import { rmSync } from "node:fs";
import { maxStampBytes } from "./limits.js";
import { readStamp, stampProcess, type ProcessStamp } from "./process-stamp.js";
import { readRegularFile, writeRegularFile } from "./regular-file.js";

/** The lock of a home; `refused` where its file system has none to give. */
export type LockState = "free" | "held" | "refused";

/**
 * Says in a file of the home which process holds its lock, until it is disposed. That is for people alone:
 * whether somebody holds it only the lock tells, and a process that was killed leaves its file.
 */
export function noteHolder(path: string): Disposable {
  tryTo(() => writeRegularFile(path, `${stampProcess()}\n`, "replace"));
  return { [Symbol.dispose]: () => tryTo(() => rmSync(path, { force: true })) };
}

/** The process that last took a home's lock; undefined where none says so. */
export async function readHolder(path: string): Promise<ProcessStamp | undefined> {
  const file = await readRegularFile(path, maxStampBytes, "refuse");
  return readStamp(file?.bytes?.toString() ?? "");
}

/** On a full disk a broker runs all the same. */
function tryTo(change: () => void): void {
  try {
    change();
  } catch {
    return;
  }
}
