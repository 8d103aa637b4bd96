import { afterAll, expect, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Database from "libsql";
import { openDatabase } from "../../../src/store/sqlite/database.js";
import { FreeSpace } from "../../../src/store/sqlite/free-space.js";
import { sqliteLimits } from "../../../src/store/sqlite/limits.js";
import { operationsOn } from "../../../src/store/sqlite/operations.js";

const folder = mkdtempSync(join(tmpdir(), "pl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "peerline.db");
const database = openDatabase(path);
const texts = textsOfStore();

/** Statements that are to read a whole table, and tables that are bounded to a few hundred rows or in another way. */
const scans = /FROM (?:peer p|machine c)$|FROM enrolment(?! WHERE token)|pragma_|sqlite_sequence/;

test.each(texts.filter((text) => !scans.test(text)))("reads through an index: %s", (text) => {
  // What is scanned beside tables is a list among the parameters.
  expect(planOf(text)).not.toMatch(/(^|; )SCAN (?!json_each VIRTUAL TABLE)(?!CONSTANT ROW)/);
});

test("the oldest open message is found in the index of open mail, without sorting", () => {
  const [text = ""] = textsWith("d.seq > :after");
  expect(planOf(text)).toContain("USING INDEX delivery_open (peer_id=? AND seq>?)");
  expect(planOf(text)).not.toContain("TEMP B-TREE");
});

test("what is open is counted in the index alone", () => {
  const counted = textsWith("AND seq > :after");
  expect(counted).toHaveLength(2);
  for (const text of counted) {
    expect(planOf(text)).toMatch(/^[^;]*COVERING INDEX delivery_open/);
  }
});

test("what expires next is found in the index of what waits, without sorting", () => {
  const expiring = textsWith("INDEXED BY delivery_waiting");
  expect(expiring).toHaveLength(2);
  for (const text of expiring) {
    expect(planOf(text)).toMatch(/INDEX delivery_waiting/);
    expect(planOf(text)).not.toContain("TEMP B-TREE");
  }
});

test("dead letters are found in the index of what has ended, without sorting", () => {
  const [text = ""] = textsWith("INDEXED BY delivery_ended");
  expect(planOf(text)).toContain("INDEX delivery_ended (state=? AND message<?)");
  expect(planOf(text)).not.toContain("TEMP B-TREE");
});

/** Every statement that the store prepares. */
function textsOfStore(): string[] {
  const prepared: string[] = [];
  const prepare = (text: string) => {
    prepared.push(text.replaceAll(/\s+/g, " "));
    return database.prepare(text);
  };
  const freeSpace = new FreeSpace(path, 0);
  const options = { freeSpace, limits: sqliteLimits, tell: () => {} };
  operationsOn({ prepare } as Database.Database, options);
  return prepared;
}

function textsWith(part: string): string[] {
  return texts.filter((text) => text.includes(part));
}

function planOf(text: string): string {
  const steps = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all() as { detail: string }[];
  return steps.map(({ detail }) => detail).join("; ");
}
