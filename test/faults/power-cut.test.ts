import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { expect, onTestFinished, test, type TestContext } from "vitest";
import { systemClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { Disk, remains } from "./disk.js";
import { compilePreload } from "./preload.js";
import { Promises } from "./promises.js";
import { type FileEvent, recordSender } from "./recording.js";
import { relaxedWorker } from "./relaxed-worker.js";

// A recorded run of the store is replayed onto a disk whose power is cut at random moments; each thing
// that may be left of it then is opened by the store as it is shipped, and asked for what it had promised.
const timeoutMs = 180_000;

test("no power cut loses an accepted message or a report", { timeout: timeoutMs }, async (context) => {
  const failures = await cutPower(context, { worker: () => workerUrl, moments: 100 });
  expect(failures).toEqual([]);
});

test("with synchronous=NORMAL power cuts lose messages", { timeout: timeoutMs }, async (context) => {
  const failures = await cutPower(context, { worker: relaxedWorker, moments: 25 });
  expect(failures.length).toBeGreaterThan(0);
  // It forgets what was newest, and no more than that: the promise is broken, the database is not.
  const words = failures.flatMap(({ broken }) => broken);
  expect(words.filter((word) => !/is lost$|came back$/.test(word))).toEqual([]);
});

interface Failure {
  /** Where the power was cut and what was left. */
  readonly cut: string;
  readonly broken: string[];
}

/** Cuts the power at so many moments, each with everything that may be left. */
async function cutPower(
  context: TestContext,
  options: { worker: (folder: string) => URL | Promise<URL>; moments: number },
): Promise<Failure[]> {
  const folder = memoryFolder();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  const worker = await options.worker(folder);
  const events = await recordSender({ folder, preload: preload.path, workerUrl: worker });
  const failures = await replay(events, randomMoments(events.length, options.moments), folder);
  const states = options.moments * remains.length;
  console.info(`${failures.length} of ${states} disks broke a promise`);
  return failures;
}

async function replay(
  events: readonly FileEvent[],
  moments: readonly number[],
  folder: string,
): Promise<Failure[]> {
  const disk = new Disk();
  const promises = new Promises();
  const failures: Failure[] = [];
  let done = 0;
  for (const moment of moments) {
    for (const event of events.slice(done, moment)) {
      disk.apply(event);
      promises.apply(event);
    }
    done = moment;
    const inspections = remains.map(async (remaining) => {
      const cut = `after event ${moment} of ${events.length}, ${remaining} of the unsynced`;
      const broken = await inspect(disk.cut(remaining), promises, join(folder, remaining));
      if (broken.length > 0) failures.push({ cut, broken });
    });
    await Promise.all(inspections);
  }
  return failures;
}

async function inspect(
  files: ReadonlyMap<string, Buffer>,
  promises: Promises,
  folder: string,
): Promise<string[]> {
  mkdirSync(folder);
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const path = join(folder, "peerline.db");
  try {
    const store = await openSqliteStore({ path, clock: systemClock, workerUrl });
    const broken = await promises.brokenBy(store);
    await store[Symbol.asyncDispose]();
    return [...broken, ...integrityProblems(path)];
  } catch (error) {
    return [`the store does not open: ${String(error)}`];
  } finally {
    discard(folder, files);
  }
}

function integrityProblems(path: string): string[] {
  const database = new Database(path);
  const rows = database.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  database.close();
  return rows.map((row) => row.integrity_check).filter((words) => words !== "ok");
}

// libsql holds a file until its last statement is collected, and with it the memory: emptied, it has none.
function discard(folder: string, files: ReadonlyMap<string, Buffer>): void {
  for (const name of files.keys()) {
    if (existsSync(join(folder, name))) truncateSync(join(folder, name));
  }
  rmSync(folder, { recursive: true });
}

/** Ascending. */
function randomMoments(events: number, count: number): number[] {
  return Array.from({ length: count }, () => randomInt(events + 1)).toSorted((a, b) => a - b);
}

/** A folder in memory where there is one: some hundred databases are written. */
function memoryFolder(): string {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(parent, "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
