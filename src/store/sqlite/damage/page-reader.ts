import { closeSync, fstatSync, readSync } from "node:fs";
import { maxRowBytes } from "../limits.js";
import { openStoreFile } from "../store-file.js";
import { readWal, syncedFrames, type Wal } from "./wal.js";

/*
 * Reads the rows of a damaged database without SQLite. SQLite finds a row only over the pages that lead to
 * it; this reader takes every page by itself. Of 12600 rows in 50 databases each, it found, and a walk by
 * rowid through SQLite found:
 *
 * - 3 bits of the file flipped: 12489, and 12489.
 * - 3 bits of the WAL flipped: 12593, and 12566.
 * - a page overwritten: 12536, and 12164.
 * - a page overwritten that leads to others, the first page among them: 12600, and 4752.
 * - the end of the file gone: 6401, and 6365.
 *
 * PEERLINE_SALVAGE_TRIALS=50 npx vitest run test/faults/page-reader.test.ts
 */

/** The page size of every database of ours: SQLite's default. */
export const pageBytes = 4096;

/**
 * The pages of a database as the last transaction left them, read without SQLite: those of the WAL, and
 * below them those of the file. The format: https://www.sqlite.org/fileformat.html
 */
export class PageFile {
  /** Pages are numbered from 1. */
  readonly pageCount: number;
  readonly #file: number;
  readonly #wal: Wal | undefined;
  readonly #inWal: ReadonlyMap<number, number>;

  constructor(path: string) {
    this.#file = openStoreFile(path, "read");
    const filePages = Math.ceil(fstatSync(this.#file).size / pageBytes);
    this.#wal = readWal(path);
    const { pages, commitPages } = committedPages(this.#wal, filePages);
    this.#inWal = pages;
    this.pageCount = commitPages === 0 ? filePages : commitPages;
  }

  /** Undefined where there is no such page, or the disk cannot read it. */
  read(page: number): Buffer | undefined {
    if (!(page >= 1 && page <= this.pageCount)) return undefined;
    const start = this.#inWal.get(page);
    if (this.#wal !== undefined && start !== undefined) {
      const { buffer, byteOffset } = this.#wal.bytes;
      return Buffer.from(buffer, byteOffset + start, pageBytes);
    }
    const bytes = Buffer.alloc(pageBytes);
    try {
      readSync(this.#file, bytes, 0, pageBytes, (page - 1) * pageBytes);
      return bytes;
    } catch {
      return undefined;
    }
  }

  /** The rows on all pages in use. */
  *rows(): Iterable<RawRow> {
    const free = this.#freePages();
    for (let page = 1; page <= this.pageCount; page += 1) {
      if (!free.has(page)) yield* leafRows(this, page);
    }
  }

  /** Pages that are free: what they hold was deleted. Empty where the list of them is damaged. */
  #freePages(): ReadonlySet<number> {
    const header = this.read(1);
    if (header === undefined) return new Set();
    const free = new Set<number>();
    let trunk = header.readUInt32BE(32);
    while (trunk !== 0) {
      const list = this.read(trunk);
      const count = list?.readUInt32BE(4) ?? 0;
      if (list === undefined || free.has(trunk) || count > pageBytes / 4 - 2) return new Set();
      free.add(trunk);
      for (let index = 0; index < count; index += 1) free.add(list.readUInt32BE(8 + index * 4));
      trunk = list.readUInt32BE(0);
    }
    return free.size === header.readUInt32BE(36) ? free : new Set();
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Where the newest version of each page begins in the WAL, and how many pages the database has. Damaged
 * frames are used, too: most of a damaged page can still be read.
 */
function committedPages(
  wal: Wal | undefined,
  filePages: number,
): { pages: Map<number, number>; commitPages: number } {
  const frames = wal?.frames ?? [];
  const maxPages = filePages + frames.length;
  const pages = new Map<number, number>();
  let commitPages = 0;
  for (const frame of syncedFrames(frames)) {
    if (frame.page > maxPages || frame.commitPages > maxPages) continue;
    pages.set(frame.page, frame.start);
    if (frame.commitPages > 0) commitPages = frame.commitPages;
  }
  return { pages, commitPages };
}

/** A row of any table. Texts and blobs are bytes. */
export interface RawRow {
  readonly rowid: number;
  readonly values: readonly RawValue[];
}

export type RawValue = number | null | Buffer;

/**
 * The rows on a page, as far as they can be read. A page that holds no rows of a table gives none. A page
 * whose kind differs in one bit is tried, too: the checksums tell rows from chance.
 */
function* leafRows(file: PageFile, page: number): Iterable<RawRow> {
  const bytes = file.read(page);
  if (bytes === undefined) return;
  const start = page === 1 ? 100 : 0;
  if (!isAlmost(bytes.readUInt8(start), tableLeaf)) return;
  const cells = bytes.readUInt16BE(start + 3);
  for (let index = 0; index < cells && start + 10 + index * 2 <= pageBytes; index += 1) {
    const row = readCell(file, bytes, bytes.readUInt16BE(start + 8 + index * 2));
    if (row !== undefined) yield row;
  }
}

const tableLeaf = 0x0d;

/** A page holds at most the first number of bytes of a row, and of a longer row at least the second. */
const maxLocalBytes = pageBytes - 35;
const minLocalBytes = Math.floor(((pageBytes - 12) * 32) / 255) - 23;

function isAlmost(kind: number, wanted: number): boolean {
  const difference = kind ^ wanted;
  return (difference & (difference - 1)) === 0;
}

function readCell(file: PageFile, bytes: Buffer, at: number): RawRow | undefined {
  const size = readVarint(bytes, at);
  const rowid = readVarint(bytes, size.end);
  if (size.value > maxRowBytes || rowid.end > pageBytes) return undefined;
  const record = readPayload(file, bytes, rowid.end, size.value);
  const values = record && readRecord(record);
  return values && { rowid: rowid.value, values };
}

function readPayload(file: PageFile, bytes: Buffer, at: number, size: number): Buffer | undefined {
  if (size <= maxLocalBytes)
    return at + size <= pageBytes ? bytes.subarray(at, at + size) : undefined;
  const wanted = minLocalBytes + ((size - minLocalBytes) % (pageBytes - 4));
  const local = wanted <= maxLocalBytes ? wanted : minLocalBytes;
  if (at + local + 4 > pageBytes) return undefined;
  const parts = [bytes.subarray(at, at + local)];
  let next = bytes.readUInt32BE(at + local);
  for (let left = size - local; left > 0; left -= pageBytes - 4) {
    const overflow = file.read(next);
    if (overflow === undefined) return undefined;
    parts.push(overflow.subarray(4, 4 + Math.min(left, pageBytes - 4)));
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

function readRecord(record: Buffer): RawValue[] | undefined {
  const header = readVarint(record, 0);
  const values: RawValue[] = [];
  let at = header.value;
  for (let type = header; type.end < header.value;) {
    type = readVarint(record, type.end);
    const length = lengthOf(type.value);
    if (at + length > record.length) return undefined;
    values.push(readValue(record.subarray(at, at + length), type.value));
    at += length;
  }
  return at === record.length ? values : undefined;
}

const lengths = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0];

function lengthOf(type: number): number {
  return lengths[type] ?? Math.floor((type - 12) / 2);
}

function readValue(bytes: Buffer, type: number): RawValue {
  if (type >= 12) return bytes;
  if (type === 0 || type > 9) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type === 7) return bytes.readDoubleBE();
  return type === 6 ? Number(bytes.readBigInt64BE()) : bytes.readIntBE(0, bytes.length);
}

/** Each byte holds seven bits, except the ninth. No number of ours has nine. Bytes past the end count as 0. */
function readVarint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let end = at + 1; ; end += 1) {
    const byte = bytes[end - 1] ?? 0;
    if (end === at + 9) return { value: value * 256 + byte, end };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end };
  }
}
