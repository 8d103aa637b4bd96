import { crc32 } from "node:zlib";
import {
  type Checksums,
  type Field,
  type NewRow,
  noChecksum,
  type ReadRow,
  type Table,
} from "../tables.js";

/*
 * SQLite does not notice a flipped bit in a row, so each row has a checksum. It covers the row's key, too:
 * a row that is found under another key does not fit it.
 *
 * What a checksum covers never changes, because stored rows keep the one that they have. A column that
 * was added later is left out while it, and every column added after it, has its `absent` value. So a row
 * of an earlier version fits its checksum.
 */

/** The checksums of a row that is about to be written. */
export function sumsOf<T extends Table>(table: T, row: NewRow<T>): Checksums<T> {
  const sums: Record<string, number> = {};
  for (const { field, sum } of checksumsOf(table)) sums[field] = sum(row);
  return sums as Checksums<T>;
}

/** The checksums of a damaged row: no row fits them. */
export function noSums<T extends Table>(table: T): Checksums<T> {
  const sums = checksumsOf(table).map(({ field }) => [field, noChecksum]);
  return Object.fromEntries(sums) as Checksums<T>;
}

/** Whether the row is as it was written. */
export function isIntact<T extends Table>(table: T, row: ReadRow<T>): boolean {
  const whole = checksumsOf(table).find(({ covers }) => covers === undefined);
  return whole !== undefined && whole.sum(row) === (row as AnyRow)[whole.field];
}

/** The checksum of a message in the first version of the schema: it did not cover the key. */
export function sumWithoutKey<T extends Table>(table: T, row: NewRow<T>): number {
  const fields = table.fields.filter(({ kind, since }) => kind !== "key" && since === 1);
  return summer({ fields, nesting: [] })(row);
}

type AnyRow = Readonly<Record<string, unknown>>;

interface ChecksumColumn {
  readonly field: string;
  readonly covers: readonly string[] | undefined;
  readonly sum: (row: AnyRow) => number;
}

const known = new WeakMap<Table, readonly ChecksumColumn[]>();

function checksumsOf(table: Table): readonly ChecksumColumn[] {
  const present = known.get(table);
  if (present !== undefined) return present;
  const columns = table.fields
    .filter(({ kind }) => kind === "checksum")
    .map(({ field, covers }) => ({
      field,
      covers,
      sum:
        covers === undefined ? summer(table) : (row: AnyRow) => sum(covers.map((one) => row[one])),
    }));
  known.set(table, columns);
  return columns;
}

function summer({ fields, nesting }: Pick<Table, "fields" | "nesting">): (row: AnyRow) => number {
  const blobs = fields.filter(({ kind }) => kind === "blob");
  const [first = [], ...added] = versionsOf(fields);
  return (row) => {
    const ofFirst = first.map(({ field }) => row[field]);
    const values = nest(ofFirst, nesting);
    const last = added.findLastIndex((version) => !isAbsent(version, row));
    for (const { field, absent } of added.slice(0, last + 1).flat())
      values.push(row[field] ?? absent);
    return blobs.reduce((before, { field }) => add(row[field], before), sum(values));
  };
}

/** The columns that each version of the schema added to a checksum, in order. Blobs are summed apart. */
function versionsOf(fields: readonly Field[]): Field[][] {
  const summed = fields.filter(({ kind }) => kind !== "blob" && kind !== "checksum");
  const versions = [...new Set(summed.map(({ since }) => since))].toSorted((a, b) => a - b);
  return versions.map((version) => {
    const own = summed.filter(({ since, summedAt }) => since === version && summedAt === undefined);
    for (const field of summed)
      if (field.since === version && field.summedAt !== undefined)
        own.splice(field.summedAt, 0, field);
    return own;
  });
}

function isAbsent(version: readonly Field[], row: AnyRow): boolean {
  return version.every(({ field, absent }) => (row[field] ?? absent) === absent);
}

function nest(values: unknown[], sizes: readonly number[]): unknown[] {
  if (sizes.length === 0) return values;
  let end = 0;
  return sizes.map((size) => values.slice(end, (end += size)));
}

function sum(values: readonly unknown[]): number {
  return crc32(JSON.stringify(values));
}

/** Passes over an empty array: some have no memory, and zlib then starts a new sum. NaN where the blob is gone. */
function add(bytes: unknown, before: number): number {
  if (!(bytes instanceof Uint8Array)) return Number.NaN;
  return bytes.byteLength === 0 ? before : crc32(bytes, before);
}
