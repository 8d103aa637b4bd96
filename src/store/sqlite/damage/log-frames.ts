import { readFileSync } from "node:fs";
import { withFile } from "../store-file.js";

/** The write-ahead log of a database. The format: https://www.sqlite.org/fileformat.html#the_write_ahead_log */
export interface Log {
  readonly bytes: DataView;
  /** Whether its header is as it was written. */
  readonly hasIntactHeader: boolean;
  /** Those of the present use of the file, in the order written. */
  readonly frames: readonly LogFrame[];
}

export interface LogFrame {
  /** Which page of the database it holds. */
  readonly page: number;
  /** Where the page begins in the log. */
  readonly start: number;
  /**
   * How many pages the database has after the transaction that this frame ends; 0: it ends none, or it
   * is torn so that this may be what an earlier use of the file left.
   */
  readonly commitPages: number;
  /** It and all before it are as they were written: SQLite reads them. */
  readonly isRead: boolean;
  /** It follows on the frame before it, whatever that holds: it is as it was written. */
  readonly isIntact: boolean;
}

/** Undefined where there is no log, or one without frames. */
export function readLog(databasePath: string): Log | undefined {
  const bytes = readBytes(`${databasePath}-wal`);
  if (bytes === undefined || bytes.byteLength < headerBytes + frameBytes) return undefined;
  const littleEndian = (bytes.getUint32(0) & 1) === 0;
  const headerSums = sum(bytes, 0, headerBytes - 8, littleEndian, [0, 0]);
  const hasIntactHeader = matches(bytes, headerBytes - 8, headerSums);
  // Frames of another salt were left by an earlier use of the file. The first is of the present one.
  const salt = bytes.getBigUint64(hasIntactHeader ? 16 : headerBytes + 8);
  const frames: LogFrame[] = [];
  let isRead = hasIntactHeader;
  let before = sumsAt(bytes, headerBytes - 8);
  for (let at = headerBytes; at + frameBytes <= bytes.byteLength; at += frameBytes) {
    const start = at + frameHeaderBytes;
    let sums = sum(bytes, at, at + 8, littleEndian, before);
    sums = sum(bytes, start, at + frameBytes, littleEndian, sums);
    before = sumsAt(bytes, at + 16);
    const isOurs = bytes.getBigUint64(at + 8) === salt;
    const isIntact = isOurs && matches(bytes, at + 16, sums);
    isRead &&= isIntact;
    if (!isOurs) continue;
    const page = bytes.getUint32(at);
    const commitPages = isIntact || isInOneSector(at) ? bytes.getUint32(at + 4) : 0;
    frames.push({ page, start, commitPages, isRead, isIntact });
  }
  return { bytes, hasIntactHeader, frames };
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** With a page of the size that every database of ours has. */
const frameBytes = frameHeaderBytes + 4096;
/** A disk writes a sector as a whole or not at all; its own are as large or a multiple. */
const sectorBytes = 512;

/** Whether the header of the frame that begins there cannot be torn: half new, half of an earlier frame. */
function isInOneSector(at: number): boolean {
  return (at % sectorBytes) + frameHeaderBytes <= sectorBytes;
}

function readBytes(path: string): DataView | undefined {
  try {
    const { buffer, byteOffset, byteLength } = withFile(path, "read", (file) => readFileSync(file));
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

function sumsAt(log: DataView, at: number): Sums {
  return [log.getUint32(at), log.getUint32(at + 4)];
}

function matches(log: DataView, at: number, [first, second]: Sums): boolean {
  return log.getUint32(at) === first && log.getUint32(at + 4) === second;
}
