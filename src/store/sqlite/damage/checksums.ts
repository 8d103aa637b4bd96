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
 * SQLite has no checksum of its own: a flipped bit in a row passes its integrity check. So each row has
 * checksums. They cover the key that the row is found by, too: a row under another's key fits none.
 *
 * A stored checksum is as old as its row, so what a checksum covers never changes. Columns that a version
 * added follow those before them. They are left out as long as they, and all that were added later, are
 * as in a row that was written before: the checksum of such a row stays what it was.
 */

/** The checksums of a row as it is to be written. */
export function sumsOf<T extends Table>(table: T, row: NewRow<T>): Checksums<T> {
  const sums: Record<string, number> = {};
  for (const { field, sum } of checksumsOf(table)) sums[field] = sum(row);
  return sums as Checksums<T>;
}

/** Those of a row that nobody is to believe. */
export function noSums<T extends Table>(table: T): Checksums<T> {
  const sums = checksumsOf(table).map(({ field }) => [field, noChecksum]);
  return Object.fromEntries(sums) as Checksums<T>;
}

/** Whether the row is as it was written. */
export function isIntact<T extends Table>(table: T, row: ReadRow<T>): boolean {
  const read: AnyRow = row;
  const whole = checksumsOf(table).find(({ covers }) => covers === undefined);
  const isThere = table.fields.every(({ kind, field }) => kind !== "blob" || read[field] !== null);
  return isThere && whole !== undefined && whole.sum(read) === read[whole.field];
}

/** The checksum that the first version of the schema gave a message: without the row's own key. */
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
    const values = nest(
      first.map(({ field }) => row[field]),
      nesting,
    );
    const last = added.findLastIndex((version) => !isAbsent(version, row));
    for (const { field, absent } of added.slice(0, last + 1).flat())
      values.push(row[field] ?? absent);
    return blobs.reduce((before, { field }) => add(row[field] as Uint8Array, before), sum(values));
  };
}

/** What each version of the schema has a checksum cover beside blobs, in order. */
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

/** zlib starts anew at an array without bytes that has no memory either, so that one is passed over. */
function add(bytes: Uint8Array, before: number): number {
  return bytes.byteLength === 0 ? before : crc32(bytes, before);
}
