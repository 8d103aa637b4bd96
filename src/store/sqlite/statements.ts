import type Database from "libsql";
import { sumsOf } from "./damage/checksums.js";
import {
  type Checksums,
  deliveryTable,
  type Field,
  machineTable,
  messageTable,
  type NewRow,
  peerTable,
  type ReadRow,
  type Table,
  type Value,
} from "./tables.js";

/** What a statement takes: a value for each `:name` in its SQL. */
type Parameters = Readonly<Record<string, Value>>;

/** Writes a row as a whole, with its own checksums unless others are given. */
export type RowWriter<T extends Table> = (row: NewRow<T>, sums?: Checksums<T>) => void;

/** The statements on a database, each prepared once. */
export class Statements {
  readonly #database: Database.Database;
  readonly #prepared = new Map<string, unknown>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  /** `R` is what a row of the result holds. */
  prepare<R = never>(sql: string): Statement<R> {
    const known = this.#prepared.get(sql) as Statement<R> | undefined;
    if (known !== undefined) return known;
    const statement = new Statement<R>(this.#database.prepare(sql), namesIn(sql));
    this.#prepared.set(sql, statement);
    return statement;
  }

  insertInto<T extends Table>(table: T): RowWriter<T> {
    const names = table.fields.map(({ name }) => name).join();
    const values = table.fields.map(({ field }) => `:${field}`).join();
    return this.#writer(table, `INSERT INTO ${table.name} (${names}) VALUES (${values})`);
  }

  /** Finds the row by its key, and writes every column that is not fixed. */
  update<T extends Table>(table: T): RowWriter<T> {
    const pairs = table.fields.map(({ name, field, isFixed = false }) => ({
      isFixed,
      pair: `${name} = :${field}`,
    }));
    const set = pairs.filter(({ isFixed }) => !isFixed).map(({ pair }) => pair);
    return this.#writer(table, `UPDATE ${table.name} SET ${set.join()} WHERE ${pairs[0]?.pair}`);
  }

  #writer<T extends Table>(table: T, sql: string): RowWriter<T> {
    const statement = this.prepare(sql);
    const order = namesIn(sql).flatMap((name) =>
      table.fields.filter(({ field }) => field === name),
    );
    return (row, sums = sumsOf(table, row)) => {
      const given = row as Readonly<Record<string, Value>>;
      const givenSums = sums as Readonly<Record<string, Value>>;
      statement.runWith(
        order.map(({ field, kind, absent }) => {
          const value = kind === "checksum" ? givenSums[field] : given[field];
          return value === undefined ? absent : value;
        }),
      );
    };
  }
}

/** A prepared statement with named parameters. */
export class Statement<R> {
  readonly #statement: Database.Statement;
  readonly #names: readonly string[];

  constructor(statement: Database.Statement, names: readonly string[]) {
    this.#statement = statement;
    this.#names = names;
  }

  /** All reading goes through here: libsql's `get` gives blobs of another type, and a further column. */
  all(parameters: Parameters = {}): R[] {
    const rows = this.#statement.all(this.#list(parameters)) as Record<string, unknown>[];
    for (const row of rows) decode(row);
    return rows as R[];
  }

  one(parameters: Parameters = {}): R | undefined {
    return this.all(parameters)[0];
  }

  run(parameters: Parameters): void {
    this.runWith(this.#list(parameters));
  }

  /** The same with a list, in the order in which the names stand in the SQL. */
  runWith(values: readonly (Value | undefined)[]): void {
    if (values.includes(undefined)) throw new Error("The statement lacks a value.");
    this.#statement.run(values);
  }

  /** SQLite numbers names in the order of the SQL. A list saves libsql the time of asking for each name. */
  #list(parameters: Parameters): Value[] {
    return this.#names.map((name) => {
      const value = parameters[name];
      if (value === undefined) throw new Error(`The statement has no value for :${name}.`);
      return value;
    });
  }
}

/** The rows of a table, slice by slice. `slice` gives those that follow a key, and none at the end. */
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
 * No column is read as it is stored. A flipped bit can make a text that is not UTF-8, or turn a number
 * into a text, and libsql ends the process at a text that is not UTF-8. So texts are read as bytes.
 *
 * @param version of the schema that the database has. Default: the present one.
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
export const machineSelect = `SELECT c.rowid AS place, ${selection(machineTable, "c")} FROM machine c`;
export const messageSelect = `SELECT ${selection(messageTable, "m")} FROM message m`;
export const deliverySelect = `SELECT ${selection(deliveryTable, "d")} FROM delivery d`;
/** Deliveries with their messages. A delivery whose message is gone has nulls in its place. */
export const mailSelect = `SELECT ${selection(deliveryTable, "d")}, ${selection(
  { fields: messageTable.fields.filter(({ kind }) => kind !== "key") },
  "m",
)} FROM delivery d LEFT JOIN message m ON m.id = d.message`;

/** Deliveries with what a report tells of their messages, without the bodies. */
export const settledSelect = `SELECT ${selection(deliveryTable, "d")}, ${selection(
  { fields: messageTable.fields.filter(({ field }) => ["fromName", "messageId"].includes(field)) },
  "m",
)} FROM delivery d LEFT JOIN message m ON m.id = d.message`;

export type SettledRow = ReadDelivery & Pick<ReadMessage, "fromName" | "messageId">;
export type ReadPeer = ReadRow<typeof peerTable> & { readonly place: number };
export type ReadMachine = ReadRow<typeof machineTable> & { readonly place: number };
export type ReadMessage = ReadRow<typeof messageTable>;
export type ReadDelivery = ReadRow<typeof deliveryTable>;
export type ReadMail = ReadDelivery & ReadMessage;

function namesIn(sql: string): string[] {
  return [...new Set(Array.from(sql.matchAll(/:([a-zA-Z]+)/g), ([, name = ""]) => name))];
}

/**
 * Makes texts of the bytes that texts are read as. Bytes that are not UTF-8 become replacement characters.
 * The row's checksum says whether the result is what was written.
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
