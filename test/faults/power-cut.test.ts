import { randomInt } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Database from "libsql";
import { expect, onTestFinished, test, type TestContext } from "vitest";
import { openDatabase } from "../../src/store/sqlite/database.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { Disk, remains } from "./disk.js";
import { compilePreload } from "./preload.js";
import { Promises } from "./promises.js";
import { type FileEvent, recordSender } from "./recording.js";
import { relaxedWorker } from "./relaxed-worker.js";

// A recorded run of the store is replayed onto a disk whose power is cut at random moments; each thing
// that may be left of it then is opened as the store opens it, and asked for what it had promised.
const timeoutMs = 180_000;

test(
  "no power cut loses an accepted message or a report",
  { timeout: timeoutMs },
  async (context) => {
    const failures = await cutPower(context, { worker: () => workerUrl, moments: 100 });
    expect(failures).toEqual([]);
  },
);

test(
  "with synchronous=NORMAL power cuts lose messages",
  { timeout: timeoutMs },
  async (context) => {
    const failures = await cutPower(context, { worker: relaxedWorker, moments: 25 });
    const lossy = failures.filter(({ broken }) =>
      broken.some((words) => words.endsWith("is lost")),
    );
    expect(lossy.length).toBeGreaterThan(0);
  },
);

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
  const failures = replay(events, randomMoments(events.length, options.moments), folder);
  const states = options.moments * remains.length;
  console.info(`${failures.length} of ${states} disks broke a promise`);
  return failures;
}

function replay(
  events: readonly FileEvent[],
  moments: readonly number[],
  folder: string,
): Failure[] {
  const disk = new Disk();
  const promises = new Promises();
  const failures: Failure[] = [];
  let done = 0;
  let count = 0;
  for (const moment of moments) {
    for (const event of events.slice(done, moment)) {
      disk.apply(event);
      promises.apply(event);
    }
    done = moment;
    for (const remaining of remains) {
      const broken = inspect(disk.cut(remaining), promises, join(folder, `cut-${(count += 1)}`));
      const cut = `after event ${moment} of ${events.length}, ${remaining} of the unsynced`;
      if (broken.length > 0) failures.push({ cut, broken });
    }
  }
  return failures;
}

function inspect(files: ReadonlyMap<string, Buffer>, promises: Promises, folder: string): string[] {
  mkdirSync(folder);
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  try {
    const database = openDatabase(join(folder, "peerline.db"));
    const broken = [...promises.brokenBy(database), ...integrityProblems(database)];
    database.close();
    return broken;
  } catch (error) {
    return [`the database does not open: ${String(error)}`];
  } finally {
    discard(folder);
  }
}

function integrityProblems(database: Database.Database): string[] {
  const rows = database.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  return rows.map((row) => row.integrity_check).filter((words) => words !== "ok");
}

// libsql holds a file until its last statement is collected, and with it the memory: emptied, it has none.
function discard(folder: string): void {
  for (const name of readdirSync(folder)) truncateSync(join(folder, name));
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
