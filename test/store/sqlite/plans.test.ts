import { expect, test } from "vitest";
import { openDatabase } from "../../../src/store/sqlite/database.js";
import { sql } from "../../../src/store/sqlite/sql.js";
import { temporaryDatabase } from "./temporary-database.js";

/** Statements that are to read a whole table, and a table that is bounded in another way. */
const scans = new Set(["listPeers", "freePages", "size"]);

test.each(Object.entries(sql).filter(([name]) => !scans.has(name)))(
  "%s reads through an index",
  (_name, text) => {
    const database = openDatabase(temporaryDatabase());
    const steps = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all() as { detail: string }[];
    const details = steps.map(({ detail }) => detail);
    expect(details.filter((detail) => detail.startsWith("SCAN"))).toEqual([]);
  },
);

test("the oldest open message is found in the index of open mail, without sorting", () => {
  const database = openDatabase(temporaryDatabase());
  const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql.openAfter}`).all();
  const details = steps.map((step) => (step as { detail: string }).detail);
  expect(details.join()).toContain("USING INDEX delivery_open (peer_id=? AND seq>?)");
  expect(details.join()).not.toContain("TEMP B-TREE");
});

test("what is open is counted in the index alone", () => {
  const database = openDatabase(temporaryDatabase());
  for (const text of [sql.countOpenAfter, sql.sendersAfter]) {
    const [step] = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all();
    expect(step).toMatchObject({ detail: expect.stringContaining("COVERING INDEX delivery_open") });
  }
});
