import { maxRowBytes } from "../limits.js";
import { pageBytes, type PageFile } from "./page-file.js";

/** A row of any table: texts and blobs as bytes. */
export interface RawRow {
  readonly rowid: number;
  readonly values: readonly RawValue[];
}

export type RawValue = number | null | Buffer;

/**
 * The rows on a page of a table, as far as they can be read; none where it is a page of another kind. A
 * page whose kind has a flipped bit is tried, too: only its checksum then tells a row from chance.
 */
export function* leafRows(file: PageFile, page: number): Iterable<RawRow> {
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

/** What a page holds of a row at most; of a longer one it holds at least the second. */
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

/** Seven bits in each byte but the ninth; beyond the end of the bytes, 0. No number of ours takes nine. */
function readVarint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let end = at + 1; ; end += 1) {
    const byte = bytes[end - 1] ?? 0;
    if (end === at + 9) return { value: value * 256 + byte, end };
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end };
  }
}
