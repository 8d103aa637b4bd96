import { readFileSync } from "node:fs";
import { damagedFile } from "../failure.js";
import { withFile } from "../store-file.js";

/** The WAL of a database, its write-ahead log. The format: https://www.sqlite.org/fileformat.html#the_write_ahead_log */
export interface Wal {
  readonly bytes: DataView;
  /** Whether its header is as it was written. */
  readonly hasIntactHeader: boolean;
  /** Those of the present use of the file, in the order written. */
  readonly frames: readonly WalFrame[];
}

export interface WalFrame {
  /** Which page of the database it holds. */
  readonly page: number;
  /** Where the page begins in the WAL. */
  readonly start: number;
  /**
   * How many pages the database has after the transaction that this frame ends. 0 where it ends none. 0
   * also where a power cut may have mixed this number with an older one.
   */
  readonly commitPages: number;
  /** It and all frames before it are as they were written: SQLite reads them. */
  readonly isRead: boolean;
  /** It fits the checksum of the frame before it, so it is as it was written. */
  readonly isIntact: boolean;
}

/**
 * Refuses a WAL of which SQLite would drop more than a power cut explains. SQLite stops at the first frame
 * that is not intact, whatever follows. Where a synced transaction follows, the WAL is damaged.
 */
export function checkWal(databasePath: string): void {
  const wal = readWal(databasePath);
  if (wal === undefined) return;
  const path = `${databasePath}-wal`;
  if (!wal.hasIntactHeader) throw damagedFile(path, "its header cannot be read");
  const lost = syncedFrames(wal.frames).filter((frame) => !frame.isRead && frame.commitPages > 0);
  if (lost.length > 0) {
    throw damagedFile(path, `${lost.length} of its transactions cannot be read`);
  }
}

/**
 * The frames up to the end of the last transaction that is known to have been synced. A power cut cannot
 * have torn these. SQLite syncs a transaction before it writes the next frame. So a transaction was
 * synced where an intact frame follows it. A transaction whose frames are all intact counts, too, as it
 * does for SQLite.
 *
 * Behind these frames stands what a power cut left of the transaction under way. After a power cut SQLite
 * writes on from the last whole transaction, with the same salt. So the remains of older torn
 * transactions may follow. None of them counts: the frame that their first one fits is overwritten.
 */
export function syncedFrames(frames: readonly WalFrame[]): readonly WalFrame[] {
  let count = 0;
  let isWhole = true;
  for (const [index, frame] of frames.entries()) {
    isWhole &&= frame.isIntact;
    if (frame.commitPages === 0) continue;
    if (isWhole || frames[index + 1]?.isIntact === true) count = index + 1;
    isWhole = true;
  }
  return frames.slice(0, count);
}

/** Undefined where there is no WAL, or one without frames. */
export function readWal(databasePath: string): Wal | undefined {
  const bytes = readBytes(`${databasePath}-wal`);
  if (bytes === undefined || bytes.byteLength < headerBytes + frameBytes) return undefined;
  const littleEndian = (bytes.getUint32(0) & 1) === 0;
  const headerSums = sum(bytes, 0, headerBytes - 8, littleEndian, [0, 0]);
  const hasIntactHeader = matches(bytes, headerBytes - 8, headerSums);
  // Frames with another salt are of an earlier use of the file. The first frame is of the present use.
  const salt = bytes.getBigUint64(hasIntactHeader ? 16 : headerBytes + 8);
  const frames: WalFrame[] = [];
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
/** With a page of 4096 bytes, as in every database of ours. */
const frameBytes = frameHeaderBytes + 4096;
/** A disk writes a sector as a whole or not at all. Its sectors have this size or a multiple of it. */
const sectorBytes = 512;

/** Whether the header of the frame that begins there is in one sector, so that no power cut mixes it. */
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

function sum(wal: DataView, from: number, to: number, littleEndian: boolean, sums: Sums): Sums {
  let [first, second] = sums;
  for (let at = from; at < to; at += 8) {
    first = (first + wal.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + wal.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

function sumsAt(wal: DataView, at: number): Sums {
  return [wal.getUint32(at), wal.getUint32(at + 4)];
}

function matches(wal: DataView, at: number, [first, second]: Sums): boolean {
  return wal.getUint32(at) === first && wal.getUint32(at + 4) === second;
}
