import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import Database from "libsql";
import { expect, test } from "vitest";
import { backUp } from "../../../src/store/sqlite/migrate.js";
import { migrations } from "../../../src/store/sqlite/schema.js";
import { send } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { execute } from "./execute.js";
import { migrate, startMigration } from "./migrator-process.js";
import { openStore } from "./open-store.js";
import { query } from "./query.js";
import { smallDisk } from "./small-disk.js";
import { temporaryDatabase } from "./temporary-database.js";
import { eventually } from "../../support/test-broker.js";

const version = migrations.length;
const addColour = "ALTER TABLE message ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';";
const addShape = "ALTER TABLE message ADD COLUMN shape TEXT; UPDATE message SET shape = 'round';";

test("an older database is migrated, and what it was is kept beside it", async () => {
  const path = await databaseWith(["1", "2", "3"]);
  expect(await migrate(path, [addColour, addShape])).toBe("opened");
  expect(versionOf(path)).toBe(version + 2);
  expect(query(path, "SELECT DISTINCT colour, shape FROM message")).toEqual([
    { colour: "blue", shape: "round" },
  ]);
  expect(filesBeside(path)).toEqual([basename(backupOf(path))]);
  expect(await readTexts(backupOf(path))).toEqual(["3", "2", "1"]);
});

test("of several backups the newest is kept, and nothing else is removed", async () => {
  const path = await databaseWith(["1"]);
  const others = ["other.db.v1-backup", "peerline.db.v1-backup.mine", "peerline.db.vx-backup"];
  for (const name of others) writeFileSync(join(dirname(path), name), "");
  await migrate(path, [addColour]);
  await migrate(path, [addColour, addShape]);
  const newest = basename(backupOf(path, version + 1));
  expect(filesBeside(path)).toEqual([...others, newest].toSorted());
});

test("neither a new database nor a present one is backed up", async () => {
  const path = await databaseWith(["1"]);
  expect(await migrate(path, [])).toBe("opened");
  expect(filesBeside(path)).toEqual([]);
});

test("a step that fails leaves the database as it was, and the backups of earlier ones", async () => {
  const path = await databaseWith(["1", "2"]);
  writeFileSync(backupOf(path, version - 1), "");
  const before = readFileSync(path);
  const said = await migrate(path, [addColour, "UPDATE message SET no_such_column = 1;"]);
  expect(said).toMatch(/^UNAVAILABLE .*could not be migrated.*as it was.*no_such_column/);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(await readTexts(path)).toEqual(["2", "1"]);
  expect(existsSync(backupOf(path, version - 1))).toBe(true);
  expect(await migrate(path, [addColour, addShape])).toBe("opened");
  expect(existsSync(backupOf(path, version - 1))).toBe(false);
});

test("kill -9 in the middle of a migration leaves the database as it was", async () => {
  const path = await databaseWith(["1", "2"]);
  const long = `${addColour} CREATE TABLE number (n INTEGER);
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT 100000000)
    INSERT INTO number SELECT n FROM counted;`;
  const child = await startMigration(path, [long]);
  // What does not fit into the cache is in the log, without its commit.
  const isUnderWay = () => existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 1_000_000;
  await eventually(() => expect(isUnderWay()).toBe(true));
  child.kill("SIGKILL");
  await once(child, "exit");

  expect(await readTexts(path)).toEqual(["2", "1"]);
  expect(versionOf(path)).toBe(version);
  expect(await migrate(path, [addColour])).toBe("opened");
  expect(await readTexts(backupOf(path))).toEqual(["2", "1"]);
});

test("what a backup left that was interrupted is in nobody's way", async () => {
  const path = await databaseWith(["1"]);
  writeFileSync(`${backupOf(path)}.part`, "half a backup");
  expect(await migrate(path, [addColour])).toBe("opened");
  expect(filesBeside(path)).toEqual([basename(backupOf(path))]);
});

test("without a backup nothing is migrated", async () => {
  const path = await databaseWith(["1"]);
  const before = readFileSync(path);
  mkdirSync(`${backupOf(path)}.part`);
  expect(await migrate(path, [addColour])).toMatch(/^UNAVAILABLE .*not migrated.*backup/);
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(await readTexts(path)).toEqual(["1"]);
});

test("on a full disk nothing is migrated, and nothing is left there", async (context) => {
  const disk = smallDisk(16);
  if (disk === undefined) return context.skip("mounting a file system is not permitted here");
  const path = join(disk, "peerline.db");
  await fillDatabase(
    path,
    Array.from({ length: 150 }, () => "x".repeat(16_000)),
  );
  execFileSync("mount", ["-o", "remount,size=4m", disk]);
  expect(await migrate(path, [addColour])).toMatch(/^FULL .*not migrated.*backup/);
  expect(filesBeside(path)).toEqual([]);
  expect(versionOf(path)).toBe(version);
  expect(await readTexts(path)).toHaveLength(50);
});

test("a backup that fails its check is none", async () => {
  const path = await databaseWith(["1"]);
  // Rows that the schema forbids: only the check of the copy meets them.
  execute(
    path,
    `PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'thread_id TEXT NOT NULL',
      'thread_id TEXT NOT NULL CHECK (thread_id = ''none'')') WHERE name = 'message';`,
  );
  const database = new Database(path);
  expect(() => backUp(database, path, version)).toThrow(/not migrated.*the copy is damaged/);
  database.close();
  expect(filesBeside(path).filter((name) => name.includes("backup"))).toEqual([]);
});

async function databaseWith(texts: readonly string[]): Promise<string> {
  const path = temporaryDatabase();
  await fillDatabase(path, texts);
  return path;
}

async function fillDatabase(path: string, texts: readonly string[]): Promise<void> {
  const store = await openStore(path, { limits: { reserveBytes: 0 } });
  for (const text of texts) await send(store, { text });
  await store[Symbol.asyncDispose]();
}

/** The newest 50, as this version of the store reads them. */
async function readTexts(path: string): Promise<string[]> {
  const store = await openStore(path);
  const texts = await listTexts(store);
  await store[Symbol.asyncDispose]();
  return texts;
}

function versionOf(path: string): unknown {
  return (query(path, "PRAGMA user_version")[0] as { user_version: number }).user_version;
}

function backupOf(path: string, ofVersion = version): string {
  return `${path}.v${ofVersion}-backup`;
}

function filesBeside(path: string): string[] {
  return readdirSync(dirname(path))
    .filter((name) => name !== basename(path))
    .toSorted();
}
