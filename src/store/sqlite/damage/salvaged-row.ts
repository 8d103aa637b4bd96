import {
  type Checksums,
  deliveryTable,
  type Field,
  machineTable,
  messageTable,
  type NewRow,
  noChecksum,
  peerTable,
  type Table,
  type Value,
} from "../tables.js";
import { isIntact, sumsOf, sumWithoutKey } from "./checksums.js";
import type { RawRow, RawValue } from "./page-reader.js";

/** A row as it was found on a page. */
export type SalvagedRow = {
  /** It fits its checksum, or its version of the schema had none. */
  readonly isIntact: boolean;
  /** It fits its checksum. */
  readonly isProven: boolean;
} & (
  | Found<"peer", typeof peerTable>
  | Found<"machine", typeof machineTable>
  | Found<"message", typeof messageTable>
  | Found<"delivery", typeof deliveryTable>
  | { readonly kind: "sequence"; readonly table: string; readonly last: number }
);

interface Found<Kind extends string, T extends Table> {
  readonly kind: Kind;
  readonly row: NewRow<T>;
  /** An intact row's own checksums. A damaged row's are those that were stored. */
  readonly sums: Checksums<T>;
}

/**
 * Finds the table that a row is of; undefined for a table that is not salvaged. Only the number of columns
 * tells, and it grew with the versions of the schema. Where several tables have that number, the checksum
 * decides. Where none fits, the first column does: a key is not stored in its row.
 */
export function recognise(raw: RawRow): SalvagedRow | undefined {
  if (raw.values.length === 2) return toSequence(raw.values);
  const tables = [peerTable, machineTable, messageTable, deliveryTable];
  const found = tables.flatMap((table) => read(table, raw) ?? []);
  const kind = raw.values[0] === null ? "key" : "text";
  return (
    found.find(({ isProven }) => isProven) ??
    found.find(({ firstKind }) => firstKind === kind) ??
    found[0]
  );
}

function toSequence([table, last]: readonly RawValue[]): SalvagedRow {
  const row = { table: toText(table), last: toInteger(last) };
  return { kind: "sequence", ...row, isIntact: true, isProven: false };
}

function read(table: Table, { rowid, values }: RawRow) {
  const stored = versionsOf(table).find(({ length }) => length === values.length);
  if (stored === undefined) return undefined;
  const row: Record<string, Value> = {};
  for (const field of table.fields) {
    const index = stored.indexOf(field);
    row[field.field] = index === -1 ? (field.absent ?? null) : toValue(field, values[index], rowid);
  }
  const isProven = isIntact(table, row) || isOfFirstVersion(table, row);
  const hasChecksum = stored.some(
    ({ kind, covers }) => kind === "checksum" && covers === undefined,
  );
  const isSound = isProven || !hasChecksum;
  const sums = isSound ? sumsOf(table, row) : row;
  const found = { kind: table.name, row, sums, isIntact: isSound, isProven };
  return { ...(found as unknown as SalvagedRow), firstKind: stored[0]?.kind };
}

/** The columns that rows of the table had in each version of the schema. */
function versionsOf({ fields }: Table): Field[][] {
  const versions = [...new Set(fields.map(({ since }) => since))];
  return versions.map((version) => fields.filter(({ since }) => since <= version));
}

/** In the first version of the schema only messages had a checksum, and it was another one. */
function isOfFirstVersion(table: Table, row: Record<string, Value>): boolean {
  return table.name === messageTable.name && sumWithoutKey(table, row) === row["checksum"];
}

function toValue({ kind, isNullable }: Field, value: RawValue | undefined, rowid: number): Value {
  if (kind === "key") return rowid;
  if (kind === "text") return toText(value);
  if (kind === "blob") return value instanceof Buffer ? value : new Uint8Array(0);
  return isNullable === true && value === null ? null : toInteger(value);
}

/** A text that is not UTF-8 becomes one that fits no checksum. */
function toText(value: RawValue | undefined): string {
  return value instanceof Buffer ? value.toString() : "";
}

function toInteger(value: RawValue | undefined): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : noChecksum;
}
