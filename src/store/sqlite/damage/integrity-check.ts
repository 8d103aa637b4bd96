import Database from "libsql";
import { deliveryBytes } from "../../../contract/limits.js";
import { damagedFile } from "../failure.js";
import { maxCheckedBytes, maxKey } from "../limits.js";
import type { Migration } from "../schema.js";

/**
 * Refuses a database whose structure is damaged, because it may hold a message that no query finds, or
 * refuse mail for ever. Indices repeat what rows hold, and some tables repeat what others hold: where two
 * copies differ, one is damaged. Everything else in a row is covered by its checksum, which is checked when
 * the row is read.
 *
 * Of a database larger than `maxCheckedBytes` only what stays small is checked: all but its messages, and
 * how the open ones are found.
 *
 * @param steps the migrations that the database has been through.
 */
export function checkIntegrity(
  database: Database.Database,
  path: string,
  steps: readonly Migration[],
): void {
  const schemaProblem = compareSchema(database, steps);
  if (schemaProblem !== undefined) throw damagedFile(path, schemaProblem);
  const isWhole = bytesOf(database) <= maxCheckedBytes;
  for (const scope of isWhole ? ["1"] : smallTablesOf(database)) {
    const problem = findProblem(database, scope);
    if (problem !== undefined) throw damagedFile(path, problem);
  }
  const contradictions = [
    isKeyOutOfBounds,
    queuesDiffer,
    ...(steps.length < sharesVersion ? [] : [sharesDiffer, mailDiffers]),
    ...(isWhole ? [participantsMissing] : []),
    ...(isWhole && steps.length >= sharesVersion ? [mailMiscounted] : []),
  ];
  if (contradictions.some((contradiction) => holds(database, contradiction)))
    throw damagedFile(path, "its tables contradict each other");
}

/** What SQLite finds wrong, in its words; undefined where nothing is. */
export function findProblem(database: Database.Database, scope = "1"): string | undefined {
  // The words may quote damaged text, so they are read as bytes.
  const [row] = database
    .prepare(`SELECT CAST(integrity_check AS BLOB) AS words FROM pragma_integrity_check(${scope})`)
    .all() as { words: ArrayBuffer }[];
  // Some answers begin with a heading.
  const words = Buffer.from(row?.words ?? new ArrayBuffer(0))
    .toString()
    .trim()
    .split("\n")
    .at(-1);
  return words === "ok" ? undefined : (words ?? "no answer");
}

function bytesOf(database: Database.Database): number {
  const [size] = database
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .all() as { bytes: number }[];
  return size?.bytes ?? 0;
}

/** Finds a schema that can be read but says something else, because of a flipped bit. */
function compareSchema(
  database: Database.Database,
  steps: readonly Migration[],
): string | undefined {
  const model = new Database(":memory:");
  for (const step of steps) {
    if (typeof step === "string") model.exec(step);
    else step(model);
  }
  const wanted = readSchema(model);
  model.close();
  const present = new Set(readSchema(database));
  return wanted.every((item) => present.has(item)) ? undefined : "its schema has changed";
}

function readSchema(database: Database.Database): string[] {
  const rows = database
    .prepare(
      "SELECT CAST(type || ' ' || name || ' ' || coalesce(sql, '') AS BLOB) AS item FROM sqlite_schema",
    )
    .all() as { item: ArrayBuffer | null }[];
  return rows.map(({ item }) => Buffer.from(item ?? new ArrayBuffer(0)).toString());
}

/** The tables that do not grow with the messages, each as the argument of `integrity_check`. */
function smallTablesOf(database: Database.Database): string[] {
  const rows = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all() as { name: string }[];
  const names = rows.map(({ name }) => name).filter((name) => !growingTables.has(name));
  return names.map((name) => `'${name}'`);
}

const growingTables: ReadonlySet<string> = new Set(["message", "participant", "delivery"]);

function holds(database: Database.Database, condition: string): boolean {
  const [row] = database.prepare(`SELECT ${condition} AS holds`).all() as { holds: number }[];
  return row?.holds !== 0;
}

const isKeyOutOfBounds = `EXISTS (SELECT 1 FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND ${maxKey}
  OR name NOT IN ('message', 'delivery'))`;

/** What is open is read as a recipient would read it: a damaged index shows. */
const openDeliveries = "delivery INDEXED BY delivery_open WHERE state <= 3";
const queuesDiffer = `EXISTS (
    SELECT peer_id, count(*), sum(size_bytes), count(*) FILTER (WHERE state <= 2)
      FROM ${openDeliveries} GROUP BY peer_id
    EXCEPT SELECT peer_id, open_messages, open_bytes, waiting_messages FROM queue)
  OR EXISTS (SELECT peer_id FROM queue WHERE open_messages <> 0 EXCEPT
    SELECT peer_id FROM ${openDeliveries})`;

/** The version of the schema that added the tables of use by sender. */
const sharesVersion = 3;

const openShares = `SELECT peer_id, from_peer_id, count(*), sum(size_bytes)
  FROM ${openDeliveries} GROUP BY peer_id, from_peer_id`;
const sharesDiffer = `EXISTS (${openShares} EXCEPT SELECT * FROM queue_share)
  OR EXISTS (SELECT * FROM queue_share EXCEPT ${openShares})`;

/** The senders' bytes are not the bytes of all, or a sender has none of the messages. */
const mailDiffers = `coalesce((SELECT bytes FROM mail WHERE from_peer_id = ''), 0)
    <> (SELECT coalesce(sum(bytes), 0) FROM mail WHERE from_peer_id <> '')
  OR EXISTS (SELECT 1 FROM mail WHERE bytes <> 0 AND from_peer_id <> '' AND NOT EXISTS
    (SELECT 1 FROM message WHERE message.from_peer_id = mail.from_peer_id))`;

const mailMiscounted = `coalesce((SELECT bytes FROM mail WHERE from_peer_id = ''), 0) <>
    (SELECT coalesce(sum(length(body)), 0) FROM message NOT INDEXED)
    + ${deliveryBytes} * (SELECT count(*) FROM delivery)
  OR EXISTS (SELECT from_peer_id FROM message EXCEPT SELECT from_peer_id FROM mail)`;

const participantsMissing = `EXISTS (SELECT 1 FROM message m WHERE NOT EXISTS
    (SELECT 1 FROM participant p WHERE p.peer_id = m.from_peer_id AND p.message = m.id))
  OR EXISTS (SELECT 1 FROM delivery d WHERE NOT EXISTS
    (SELECT 1 FROM participant p WHERE p.peer_id = d.peer_id AND p.message = d.message))`;
