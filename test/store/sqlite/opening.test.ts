import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../../../src/store/sqlite/database.js";
import { markDamaged } from "../../../src/store/sqlite/damage/salvage.js";
import { PageFile } from "../../../src/store/sqlite/damage/page-reader.js";
import { explainRefusedWrite } from "../../../src/store/sqlite/free-space.js";
import { migrations } from "../../../src/store/sqlite/schema.js";
import { sync } from "../../../src/durable-file.js";
import { obstacles, obstruct } from "../../support/obstacles.js";
import { send } from "../../contract/store/drafts.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { SenderProcess } from "./sender-process.js";
import { temporaryDatabase } from "./temporary-database.js";

test("a second opener finds the database locked, and finds it free after the close", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  await expect(openStore(path)).rejects.toMatchObject({ code: "LOCKED" });
  await send(store);
  await store[Symbol.asyncDispose]();
  await openStore(path);
});

test("another process finds the database locked until its holder is gone", async () => {
  const path = temporaryDatabase();
  const sender = await SenderProcess.start(path);
  await sender.linesUntil(() => true);
  await expect(openStore(path)).rejects.toMatchObject({ code: "LOCKED" });
  await sender.kill();
  await openStore(path);
});

test("a database of a newer version is left as it is", async () => {
  const path = temporaryDatabase();
  await (await openStore(path))[Symbol.asyncDispose]();
  execute(path, `PRAGMA user_version = ${migrations.length + 1}`);
  const before = readFileSync(path);
  await expect(openStore(path)).rejects.toMatchObject({ code: "NEWER_VERSION" });
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a database of another program is left as it is", async () => {
  const path = temporaryDatabase();
  execute(path, "CREATE TABLE theirs (a)");
  const before = readFileSync(path);
  await expect(openStore(path)).rejects.toMatchObject({ code: "DATA_LOSS" });
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a file that is no database is left as it is", async () => {
  const path = temporaryDatabase();
  writeFileSync(path, "no database ".repeat(1000));
  await expect(openStore(path)).rejects.toMatchObject({ code: "DATA_LOSS" });
  expect(readFileSync(path, "utf8")).toMatch(/^(no database )+$/);
});

test("a folder that is not there is said", async () => {
  const opening = openStore(join(temporaryDatabase(), "nowhere", "peerline.db"));
  await expect(opening).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("every opening sets the mode that the promises rest on", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  await send(store);
  await store[Symbol.asyncDispose]();
  expect(existsSync(`${path}-wal`)).toBe(false);

  const database = openDatabase(path);
  const read = (pragma: string) => database.prepare(`PRAGMA ${pragma}`).all();
  expect(read("journal_mode")).toEqual([{ journal_mode: "wal" }]);
  expect(read("synchronous")).toEqual([{ synchronous: 2 }]);
  expect(read("locking_mode")).toEqual([{ locking_mode: "exclusive" }]);
  expect(read("auto_vacuum")).toEqual([{ auto_vacuum: 2 }]);
  expect(read("user_version")).toEqual([{ user_version: migrations.length }]);
});

describe.each(["", "-wal", "-journal"])("in the place of peerline.db%s", (suffix) => {
  test.each(obstacles.slice(0, 3))("%s is refused by its name, without waiting", async (_, put) => {
    const path = temporaryDatabase();
    await (await openStore(path))[Symbol.asyncDispose]();
    obstruct(`${path}${suffix}`, put);
    await expect(openStore(path)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `${path}${suffix} is no regular file. Move it away.`,
    });
  });
});

test("named pipes in the places of marks and probes hold nobody up", () => {
  const path = temporaryDatabase();
  for (const suffix of ["", ".salvage-due", ".write-probe"]) {
    obstruct(`${path}${suffix}`, (pipe) => execFileSync("mkfifo", [pipe]));
  }
  markDamaged(path);
  expect(() => explainRefusedWrite(path)).not.toThrow();
  expect(() => sync(path)).toThrow("no regular file");
  expect(() => new PageFile(path)).toThrow("no regular file");
});
