import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Database from "libsql";
import { expect, onTestFinished, test, type TestContext } from "vitest";
import { openDatabase } from "../../src/store/sqlite/database.js";
import { migrations } from "../../src/store/sqlite/schema.js";
import { Random } from "../crash/random.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { Disk, type Remains, remains } from "./disk.js";
import { compilePreload } from "./preload.js";
import { Promises } from "./promises.js";
import { type FileEvent, recordSender } from "./recording.js";
import { relaxedWorker } from "./relaxed-worker.js";

// A recorded run of the store is replayed onto a disk whose power is cut at random moments. Each state that
// the disk may then be in is opened as the store opens it, and asked for what the store had promised. A cut
// damages nothing, so the store must not report damage.
const timeoutMs = 600_000;

/** The same seed chooses the same moments and remains; what is recorded is never quite the same. */
const seed = process.env["PEERLINE_POWER_CUT_SEED"] ?? randomUUID().slice(0, 8);

test(
  "no power cut loses an accepted message or a report",
  { timeout: timeoutMs },
  async (context) => {
    const { folder, preload } = prepare(context);
    const events = await recordSender({ folder, preload, workerUrl });
    const trial = new Trial({ folder, disk: new Disk(), promises: new Promises() });
    trial.run(events, { moments: 100, within: events.length });
    expect(trial.failuresKept()).toEqual([]);
  },
);

test(
  "a power cut soon after another loses nothing either",
  { timeout: timeoutMs },
  async (context) => {
    const { folder, preload } = prepare(context);
    const events = await recordSender({ folder, preload, workerUrl });
    const random = new Random(`first cuts of ${seed}`);
    for (let count = 0; count < 8; count += 1) {
      // While several send at once: what this cut tears is longer than what is written over it.
      const moment = random.pick(syncsOf(events).filter((at) => at > events.length * 0.8));
      const { files, promises } = cutAt(events, moment, random);
      const later = await recordSender({ folder, preload, workerUrl, files });
      const trial = new Trial({ folder, disk: new Disk(files), promises });
      trial.run(later, { moments: 8, within: 200 });
      expect(trial.failuresKept(), `first cut after event ${moment}`).toEqual([]);
    }
  },
);

test(
  "with synchronous=NORMAL power cuts lose messages",
  { timeout: timeoutMs },
  async (context) => {
    const { folder, preload } = prepare(context);
    const relaxedUrl = await relaxedWorker(folder);
    const events = await recordSender({ folder, preload, workerUrl: relaxedUrl });
    const trial = new Trial({ folder, disk: new Disk(), promises: new Promises() });
    trial.run(events, { moments: 25, within: events.length });
    const lossy = trial.failures.filter(({ broken }) =>
      broken.some((words) => words.endsWith("is lost")),
    );
    expect(lossy.length).toBeGreaterThan(0);
  },
);

interface Failure {
  /** Where the power was cut and what was left. */
  readonly cut: string;
  readonly broken: readonly string[];
}

/**
 * Cuts the power at random moments of one run, each with everything that may be left. Every other one is
 * when a sync begins: most is unsynced then, and a transaction is written to its end.
 */
class Trial {
  readonly failures: Failure[] = [];
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #promises: Promises;
  readonly #random = new Random(seed);
  #firstFiles: ReadonlyMap<string, Buffer> = new Map();

  constructor({ folder, disk, promises }: { folder: string; disk: Disk; promises: Promises }) {
    this.#folder = folder;
    this.#disk = disk;
    this.#promises = promises;
  }

  run(events: readonly FileEvent[], options: { moments: number; within: number }): void {
    const { moments, within } = options;
    const syncs = syncsOf(events).filter((at) => at <= within);
    const chosen = Array.from({ length: moments }, (_, index) =>
      index % 2 === 0 ? this.#random.between(0, within) : this.#random.pick(syncs),
    );
    let done = 0;
    for (const moment of chosen.toSorted((a, b) => a - b)) {
      apply(events.slice(done, moment), this.#disk, this.#promises);
      done = moment;
      for (const remaining of remains) {
        this.#cut(remaining, `after event ${moment} of ${events.length}`);
      }
    }
    const disks = moments * remains.length;
    console.info(`${this.failures.length} of ${disks} disks broke a promise (seed ${seed})`);
  }

  /** The failures in words; the files of the first stay where it says. */
  failuresKept(): string[] {
    const words = this.failures.map(({ cut, broken }) => [cut, ...broken].join("\n"));
    if (words.length === 0) return [];
    const folder = mkdtempSync(join(tmpdir(), "pl-power-cut-"));
    write(this.#firstFiles, folder);
    return [`what the first cut left is in ${folder}`, ...words];
  }

  #cut(remaining: Remains, moment: string): void {
    const files = this.#disk.cut(remaining, this.#random);
    const broken = inspect(files, this.#promises, this.#folder);
    if (broken.length === 0) return;
    if (this.failures.length === 0) this.#firstFiles = files;
    this.failures.push({ cut: `${moment}, ${remaining} of the unsynced`, broken });
  }
}

/** The moments at which a sync begins. */
function syncsOf(events: readonly FileEvent[]): number[] {
  return events.flatMap(({ kind }, index) => (kind === "sync" ? [index] : []));
}

function cutAt(events: readonly FileEvent[], moment: number, random: Random) {
  const disk = new Disk();
  const promises = new Promises();
  apply(events.slice(0, moment), disk, promises);
  return { files: disk.cut("scattered sectors", random), promises };
}

function apply(events: readonly FileEvent[], disk: Disk, promises: Promises): void {
  for (const event of events) {
    disk.apply(event);
    promises.apply(event);
  }
}

function inspect(files: ReadonlyMap<string, Buffer>, promises: Promises, parent: string): string[] {
  const folder = mkdtempSync(join(parent, "cut-"));
  write(files, folder);
  const told: string[] = [];
  try {
    const path = join(folder, "peerline.db");
    const database = openDatabase(path, migrations, (words) => told.push(words));
    const broken = [...told, ...promises.brokenBy(database), ...integrityProblems(database)];
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

function write(files: ReadonlyMap<string, Buffer>, folder: string): void {
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}

// libsql holds a file until its last statement is collected, and with it the memory: emptied, it has none.
function discard(folder: string): void {
  for (const name of readdirSync(folder)) truncateSync(join(folder, name));
  rmSync(folder, { recursive: true });
}

/** A folder and the library that records; skips the test where there cannot be one. */
function prepare(context: TestContext): { folder: string; preload: string } {
  const folder = memoryFolder();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  return { folder, preload: preload.path };
}

/** A folder in memory where there is one: some hundred databases are written. */
function memoryFolder(): string {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(parent, "pl-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
