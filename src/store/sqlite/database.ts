import { linkSync, rmSync, statSync } from "node:fs";
import Database from "libsql";
import { StoreError } from "../../broker/store.js";
import { damagedFile } from "./damage/damaged-file.js";
import { toStoreError } from "./failure.js";
import { checkIntegrity } from "./damage/integrity-check.js";
import { checkpointPages, keptLogBytes } from "./limits.js";
import { checkLog } from "./damage/log-check.js";
import { readLog } from "./damage/log-frames.js";
import { migrate } from "./migrate.js";
import { finishSalvage, isMarkedDamaged, salvage, unmarkDamaged } from "./damage/salvage.js";
import { applicationId, type Migration, migrations } from "./schema.js";
import { assertFiles, withFile } from "./store-file.js";

/**
 * Opens the database, alone, in the mode that its promises rest on, and brings it to the present schema.
 *
 * 1. The lock is EXCLUSIVE: a second opener is LOCKED. It is taken by the first read.
 * 2. A file that is not ours or newer than this program is left as it is.
 * 3. auto_vacuum counts only when set before anything is written; to set it later would write, too.
 * 4. WAL with synchronous=FULL: a commit that returned survives the loss of power. Builds of SQLite
 *    differ in what an existing WAL file is opened with, so it is set each time and read back.
 * 5. What is damaged is salvaged, as far as that can be told here, and refused where nothing is left of
 *    it. The log is looked at first: opened and closed, SQLite would have removed it.
 * 6. What is older is migrated, after a backup.
 *
 * @param steps see `migrations`.
 * @param tell is told of a salvage, in words.
 */
export function openDatabase(
  path: string,
  steps: readonly Migration[] = migrations,
  tell: (words: string) => void = () => {},
): Database.Database {
  assertFiles(path);
  const keptPath = finishSalvage(path);
  if (keptPath !== undefined) tell(`${path} was salvaged; what it was is kept as ${keptPath}.`);
  try {
    assertReadable(path);
    return open(path, steps);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "DATA_LOSS") throw error;
    tell(salvage(path, error));
    return open(path, steps);
  }
}

/** Throws where SQLite must not open the file as it is. */
function assertReadable(path: string): void {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) return assertNoLog(path);
  try {
    checkLog(path);
    if (isMarkedDamaged(path)) throw damagedFile(path, "a page of it could not be read");
  } catch (error) {
    // Of a log that is being written, half may have been seen.
    assertUnlocked(path);
    throw error;
  }
}

/** Beside a database that is gone or empty, SQLite would remove the log: all of the mail may be in it. */
function assertNoLog(path: string): void {
  if (readLog(path) === undefined) return unmarkDamaged(path);
  // The log is salvaged as that of an empty file.
  withFile(path, "append", () => {});
  assertUnlocked(path);
  throw damagedFile(path, "it is gone or empty, and its write-ahead log is not");
}

function open(path: string, steps: readonly Migration[]): Database.Database {
  const database = connect(path);
  try {
    prepareForUse(database, path, steps);
  } catch (error) {
    database.close();
    throw nameDamage(error, path);
  }
  return database;
}

/** LOCKED where another process has the database: asked under another name, to which no log belongs. */
function assertUnlocked(path: string): void {
  const probePath = `${path}.probe`;
  try {
    rmSync(probePath, { force: true });
    linkSync(path, probePath);
  } catch {
    // Not every file system has links. Who has the home has the database.
    return;
  }
  const probe = connect(probePath);
  try {
    probe.prepare("SELECT 1 FROM sqlite_schema").all();
  } catch (error) {
    const known = toStoreError(error);
    if (known?.code === "LOCKED") throw known;
  } finally {
    probe.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(probePath + suffix, { force: true });
  }
}

function prepareForUse(
  database: Database.Database,
  path: string,
  steps: readonly Migration[],
): void {
  database.pragma("locking_mode = EXCLUSIVE");
  // A page of a damaged file is looked at more closely before it is used.
  database.exec("PRAGMA cell_size_check = ON");
  const version = readVersion(database, path, steps.length);
  if (version === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.pragma("journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  database.pragma(`journal_size_limit = ${keptLogBytes}`);
  assertMode(database);
  if (version > 0) checkIntegrity(database, path, steps.slice(0, version));
  if (version < steps.length) migrate(database, path, version, steps);
}

/** SQLite's own words for damage do not say of which file. */
function nameDamage(error: unknown, path: string): unknown {
  if (error instanceof StoreError) return error;
  const known = toStoreError(error);
  if (known?.code !== "DATA_LOSS") return error;
  return damagedFile(path, error instanceof Error ? error.message : known.message, error);
}

function connect(path: string): Database.Database {
  try {
    return new Database(path);
  } catch (cause) {
    // libsql gives no code here.
    throw new StoreError("UNAVAILABLE", `The database ${path} cannot be opened.`, { cause });
  }
}

function readVersion(database: Database.Database, path: string, knownVersion: number): number {
  const isOurs = read(database, "application_id") === applicationId;
  const version = Number(read(database, "user_version"));
  const hasTables = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").all().length > 0;
  if (hasTables && !isOurs) {
    throw new StoreError("DATA_LOSS", `${path} is not a database of Peerline.`);
  }
  if (hasTables && version === 0) throw damagedFile(path, "its header has no version");
  if (version > knownVersion) {
    throw new StoreError(
      "NEWER_VERSION",
      `${path} has schema version ${version}; this program knows ${knownVersion}.`,
    );
  }
  return version;
}

function assertMode(database: Database.Database): void {
  const mode = ["journal_mode", "synchronous", "auto_vacuum", "locking_mode"].map(
    (pragma) => `${pragma}=${String(read(database, pragma))}`,
  );
  const expected = ["journal_mode=wal", "synchronous=2", "auto_vacuum=2", "locking_mode=exclusive"];
  if (mode.join() === expected.join()) return;
  throw new StoreError("UNAVAILABLE", `The database does not take its mode: ${mode.join(", ")}.`);
}

function read(database: Database.Database, pragma: string): unknown {
  const [row] = database.prepare(`PRAGMA ${pragma}`).all();
  return Object.values(row ?? {})[0];
}
