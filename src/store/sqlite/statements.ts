import type Database from "libsql";
import { sumsOf } from "./damage/checksums.js";
import {
  type Checksums,
  deliveryTable,
  type Field,
  messageTable,
  type NewRow,
  peerTable,
  type ReadRow,
  type Table,
  type Value,
} from "./tables.js";

/** What a statement takes, by the names in its SQL. */
type Named<P> = { readonly [Name in keyof P]: Value } | void;

/** Writes a row as a whole, with its own checksums unless others are given. */
export type RowWriter<T extends Table> = (row: NewRow<T>, sums?: Checksums<T>) => void;

/** The statements on a database, each prepared once. */
export class Statements {
  readonly #database: Database.Database;
  readonly #prepared = new Map<string, unknown>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  /** The SQL of all that was prepared. */
  get texts(): string[] {
    return [...this.#prepared.keys()];
  }

  /** `P` names the parameters of the SQL, each `:name` there; `R` what a row of its result holds. */
  prepare<P extends Named<P>, R = never>(sql: string): Statement<P, R> {
    const known = this.#prepared.get(sql) as Statement<P, R> | undefined;
    if (known !== undefined) return known;
    const statement = new Statement<P, R>(this.#database.prepare(sql), namesIn(sql));
    this.#prepared.set(sql, statement);
    return statement;
  }

  insertInto<T extends Table>(table: T): RowWriter<T> {
    const insert = this.prepare<Record<string, Value>>(
      `INSERT INTO ${table.name} (${table.fields.map(({ name }) => name).join()})
      VALUES (${table.fields.map(({ field }) => `:${field}`).join()})`,
    );
    return (row, sums = sumsOf(table, row)) => insert.run(whole(table, row, sums));
  }

  /** Of the row with its key it writes what may change. */
  update<T extends Table>(table: T): RowWriter<T> {
    const [key] = table.fields;
    const columns = table.fields.filter(({ isFixed }) => isFixed !== true);
    const update = this.prepare<Record<string, Value>>(
      `UPDATE ${table.name} SET ${columns.map(({ name, field }) => `${name} = :${field}`).join()}
      WHERE ${key?.name} = :${key?.field}`,
    );
    return (row, sums = sumsOf(table, row)) => update.run(whole(table, row, sums));
  }
}

/** A statement that reads rows as they are to be read. */
export class Statement<P extends Named<P>, R> {
  readonly #statement: Database.Statement;
  readonly #names: readonly string[];

  constructor(statement: Database.Statement, names: readonly string[]) {
    this.#statement = statement;
    this.#names = names;
  }

  /** The only way to read: libsql's `get` gives blobs of another type and a column of its own. */
  all(parameters: P): R[] {
    const rows = this.#statement.all(this.#list(parameters)) as Record<string, unknown>[];
    for (const row of rows) decode(row);
    return rows as R[];
  }

  one(parameters: P): R | undefined {
    return this.all(parameters)[0];
  }

  run(parameters: P): void {
    this.#statement.run(this.#list(parameters));
  }

  /** SQLite numbers names as they come; libsql takes a list in a fraction of the time that it takes names. */
  #list(parameters: P): Value[] {
    const values = (parameters ?? {}) as Readonly<Record<string, Value | undefined>>;
    return this.#names.map((name) => {
      const value = values[name];
      if (value === undefined) throw new Error(`The statement has no value for :${name}.`);
      return value;
    });
  }
}

/** All rows of a table, in slices: `slice` gives those behind a key, and none when it has given all. */
export function* inSlices<R>(
  slice: (last: number) => readonly R[],
  keyOf: (row: R) => number,
): Iterable<R> {
  for (let last = 0; ;) {
    const rows = slice(last);
    const end = rows.at(-1);
    if (end === undefined) return;
    yield* rows;
    last = keyOf(end);
  }
}

/**
 * Columns of a table for a SELECT, each under its field's name.
 *
 * None is read as it is stored: libsql ends the process at a text that is not UTF-8, and a flipped bit
 * makes one, or turns a number into a text. A text is read as bytes, NULL as none. The checksums say
 * whether it is what was written.
 *
 * @param version of the schema, for a database that has not reached the present one.
 */
export function selection(
  { fields }: Pick<Table, "fields">,
  alias: string,
  version?: number,
): string {
  return fields
    .filter(({ since }) => version === undefined || since <= version)
    .map(({ kind, name, field }) => `${readers[kind](`${alias}.${name}`)} AS ${field}`)
    .join();
}

/** How a column is read. */
const readers: Record<Field["kind"], (column: string) => string> = {
  key: (column) => column,
  text: readText,
  integer: readInteger,
  checksum: readInteger,
  blob: (column) => `CAST(${column} AS BLOB)`,
};

export function readText(column: string): string {
  return `coalesce(CAST(${column} AS BLOB), x'')`;
}

export function readInteger(column: string): string {
  return `CAST(${column} AS INTEGER)`;
}

/** `place` is the row's number, by which it is found whatever it holds. */
export const peerSelect = `SELECT p.rowid AS place, ${selection(peerTable, "p")} FROM peer p`;
export const messageSelect = `SELECT ${selection(messageTable, "m")} FROM message m`;
export const deliverySelect = `SELECT ${selection(deliveryTable, "d")} FROM delivery d`;
/** Deliveries with their messages. One whose message is gone is found, too, as a damaged one. */
export const mailSelect = `SELECT ${selection(deliveryTable, "d")}, ${selection(
  { fields: messageTable.fields.filter(({ kind }) => kind !== "key") },
  "m",
)} FROM delivery d LEFT JOIN message m ON m.id = d.message`;

export type ReadPeer = ReadRow<typeof peerTable> & { readonly place: number };
export type ReadMessage = ReadRow<typeof messageTable>;
export type ReadDelivery = ReadRow<typeof deliveryTable>;
export type ReadMail = ReadDelivery & ReadMessage;

function namesIn(sql: string): string[] {
  return [...new Set(Array.from(sql.matchAll(/:([a-zA-Z]+)/g), ([, name = ""]) => name))];
}

/** A value for every column. Where there is none, the statement says so. */
function whole<T extends Table>(
  { fields }: T,
  row: NewRow<T>,
  sums: Checksums<T>,
): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const { field, kind, absent } of fields) {
    const given = (kind === "checksum" ? sums : row) as Record<string, Value | undefined>;
    const value = given[field] === undefined ? absent : given[field];
    if (value !== undefined) values[field] = value;
  }
  return values;
}

/**
 * Every row passes here: texts and blobs come as bytes. What is not UTF-8 becomes a text of replacement
 * characters. That is the one that was written only where the row's checksum says so.
 */
function decode(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name];
    if (!(value instanceof ArrayBuffer)) continue;
    row[name] = blobs.has(name) ? new Uint8Array(value) : Buffer.from(value).toString();
  }
}

const blobs = new Set(
  [peerTable, messageTable].flatMap(({ fields }) =>
    fields.filter(({ kind }) => kind === "blob").map(({ field }) => field),
  ),
);
