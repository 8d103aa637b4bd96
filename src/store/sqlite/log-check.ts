import { readFileSync } from "node:fs";
import { damagedFile } from "./damaged-file.js";

/**
 * Refuses a write-ahead log of which SQLite would drop more than a power cut explains. To SQLite the
 * first frame that is not intact is the end, whatever follows. Each transaction was synced before the
 * next one was written, so that only the last may be torn: where two or more commits follow, what had
 * been synced is damaged.
 *
 * The format: https://www.sqlite.org/fileformat.html#the_write_ahead_log
 */
export function checkLog(databasePath: string): void {
  const path = `${databasePath}-wal`;
  const log = readLog(path);
  if (log === undefined || log.byteLength <= headerBytes) return;
  const littleEndian = (log.getUint32(0) & 1) === 0;
  let sums = sum(log, 0, headerBytes - 8, littleEndian, [0, 0]);
  if (!matches(log, headerBytes - 8, sums)) throw damagedFile(path, "its header cannot be read");

  const frameBytes = frameHeaderBytes + log.getUint32(8);
  let lostCommits = 0;
  let isIntact = true;
  for (let at = headerBytes; at + frameBytes <= log.byteLength; at += frameBytes) {
    // Frames of another salt were left by an earlier use of the file.
    const isOurs =
      log.getUint32(at + 8) === log.getUint32(16) && log.getUint32(at + 12) === log.getUint32(20);
    if (isIntact) {
      sums = sum(log, at, at + 8, littleEndian, sums);
      sums = sum(log, at + frameHeaderBytes, at + frameBytes, littleEndian, sums);
      isIntact = isOurs && matches(log, at + 16, sums);
    }
    const isCommit = log.getUint32(at + 4) > 0;
    if (!isIntact && isOurs && isCommit) lostCommits += 1;
  }
  if (lostCommits > 1)
    throw damagedFile(path, `its last ${lostCommits} transactions cannot be read`);
}

const headerBytes = 32;
const frameHeaderBytes = 24;

function readLog(path: string): DataView | undefined {
  try {
    const { buffer, byteOffset, byteLength } = readFileSync(path);
    return new DataView(buffer, byteOffset, byteLength);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

type Sums = readonly [number, number];

function sum(log: DataView, from: number, to: number, littleEndian: boolean, sums: Sums): Sums {
  let [first, second] = sums;
  for (let at = from; at < to; at += 8) {
    first = (first + log.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + log.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

function matches(log: DataView, at: number, [first, second]: Sums): boolean {
  return log.getUint32(at) === first && log.getUint32(at + 4) === second;
}
