import { expect, test } from "vitest";
import { openDatabase } from "../../../src/store/sqlite/database.js";
import { sql } from "../../../src/store/sqlite/sql.js";
import { temporaryDatabase } from "./temporary-database.js";

/** Statements that are to read a whole table, and a table that is bounded in another way. */
const scans = new Set(["listPeers", "lastKeys", "freePages", "size"]);

test.each(Object.entries(sql).filter(([name]) => !scans.has(name)))(
  "%s reads through an index",
  (_name, text) => {
    // What is scanned beside tables is a list among the parameters.
    expect(planOf(text)).not.toMatch(/(^|; )SCAN (?!json_each VIRTUAL TABLE)/);
  },
);

test("the oldest open message is found in the index of open mail, without sorting", () => {
  expect(planOf(sql.openAfter)).toContain("USING INDEX delivery_open (peer_id=? AND seq>?)");
  expect(planOf(sql.openAfter)).not.toContain("TEMP B-TREE");
});

test("what is open is counted in the index alone", () => {
  for (const text of [sql.countOpenAfter, sql.sendersAfter]) {
    expect(planOf(text)).toMatch(/^[^;]*COVERING INDEX delivery_open/);
  }
});

test("what expires next is found in the index of what waits, without sorting", () => {
  for (const text of [sql.listExpired, sql.nextExpiry]) {
    expect(planOf(text)).toMatch(/INDEX delivery_waiting/);
    expect(planOf(text)).not.toContain("TEMP B-TREE");
  }
});

test("dead letters are found in the index of what has ended, without sorting", () => {
  expect(planOf(sql.listEnded)).toContain("INDEX delivery_ended (state=? AND message<?)");
  expect(planOf(sql.listEnded)).not.toContain("TEMP B-TREE");
});

function planOf(text: string): string {
  const database = openDatabase(temporaryDatabase());
  const steps = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all() as { detail: string }[];
  return steps.map(({ detail }) => detail).join("; ");
}
