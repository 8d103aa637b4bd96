import Database from "libsql";
import { deliveryBytes } from "../../../contract/limits.js";
import { damagedFile } from "../failure.js";
import { maxCheckedBytes, maxKey } from "../limits.js";
import type { Migration } from "../schema.js";

/**
 * Refuses a database whose structure is damaged, because it may hold a message that no query finds.
 * Indices repeat what rows hold, and some tables repeat what others hold: where two copies differ, one is
 * damaged. Everything else in a row is covered by its checksum, which is checked when the row is read.
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
  // The table of peers is small, and read as a whole at the start.
  const scope = bytesOf(database) > maxCheckedBytes ? "'peer'" : "1";
  const problem = findProblem(database, scope);
  if (problem !== undefined) throw damagedFile(path, problem);
  if (scope === "1" && !agrees(database, steps.length))
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

/** Whether tables that repeat what others hold agree with them. */
function agrees(database: Database.Database, version: number): boolean {
  const [row] = database
    .prepare(
      `SELECT
        EXISTS (SELECT 1 FROM message m WHERE NOT EXISTS
          (SELECT 1 FROM participant p WHERE p.peer_id = m.from_peer_id AND p.message = m.id))
        OR EXISTS (SELECT 1 FROM delivery d WHERE NOT EXISTS
          (SELECT 1 FROM participant p WHERE p.peer_id = d.peer_id AND p.message = d.message))
        OR EXISTS (SELECT peer_id, count(*), sum(size_bytes), count(*) FILTER (WHERE state <= 2)
            FROM delivery WHERE state <= 3 GROUP BY peer_id
          EXCEPT SELECT peer_id, open_messages, open_bytes, waiting_messages FROM queue)
        OR EXISTS (SELECT peer_id FROM queue WHERE open_messages <> 0 EXCEPT
          SELECT peer_id FROM delivery WHERE state <= 3)
        OR ${version < sharesVersion ? "0" : sharesDiffer}
        OR EXISTS (SELECT 1 FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND ${maxKey}
          OR name NOT IN ('message', 'delivery'))
        AS differs`,
    )
    .all() as { differs: number }[];
  return row?.differs === 0;
}

/** The version of the schema that added the tables of use by sender. */
const sharesVersion = 3;

const keptBytes = `SELECT from_peer_id, sum(bytes) FROM (
  SELECT from_peer_id, length(body) AS bytes FROM message
  UNION ALL SELECT from_peer_id, ${deliveryBytes} FROM delivery
  UNION ALL SELECT '', length(body) FROM message
  UNION ALL SELECT '', ${deliveryBytes} FROM delivery) GROUP BY from_peer_id`;
const openShares = `SELECT peer_id, from_peer_id, count(*), sum(size_bytes)
  FROM delivery WHERE state <= 3 GROUP BY peer_id, from_peer_id`;
const sharesDiffer = `EXISTS (${openShares} EXCEPT SELECT * FROM queue_share)
  OR EXISTS (SELECT * FROM queue_share EXCEPT ${openShares})
  OR EXISTS (SELECT * FROM (${keptBytes}) EXCEPT SELECT * FROM mail)
  OR EXISTS (SELECT * FROM mail WHERE bytes <> 0 EXCEPT SELECT * FROM (${keptBytes}))`;
