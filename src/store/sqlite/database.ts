import { linkSync, rmSync, statSync } from "node:fs";
import Database from "libsql";
import { StoreError } from "../../broker/store/store.js";
import { checkIntegrity } from "./damage/integrity-check.js";
import { finishSalvage, isMarkedDamaged, salvage, unmarkDamaged } from "./damage/salvage.js";
import { checkWal, readWal } from "./damage/wal.js";
import { damagedFile, toStoreError } from "./failure.js";
import { checkpointPages, keptWalBytes } from "./limits.js";
import { migrate } from "./migrate.js";
import { applicationId, migrations, type Migration } from "./schema.js";
import { assertFiles, withFile } from "./store-file.js";

/**
 * Opens the database for this process alone, in the mode that the store's promises need, and brings it to
 * the present schema.
 *
 * 1. The WAL is checked before SQLite opens the file: SQLite removes a WAL when it closes.
 * 2. The first read takes an EXCLUSIVE lock. A second opener is LOCKED.
 * 3. A file that is not ours, or that a newer program wrote, is left as it is.
 * 4. auto_vacuum is set before anything is written: later it would have no effect.
 * 5. With a WAL and synchronous=FULL a commit that returned survives a power cut. Builds of SQLite differ
 *    in their defaults, so both are set at each opening and read back.
 * 6. A damaged database is salvaged. Where nothing of it can be read, it is refused.
 * 7. An older database is backed up and migrated.
 *
 * @param steps see `migrations`.
 * @param tell hears of a salvage, in words.
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
  if (bytes === 0) return assertNoWal(path);
  try {
    checkWal(path);
    if (isMarkedDamaged(path)) throw damagedFile(path, "a page of it could not be read");
  } catch (error) {
    // Another process may be writing the WAL, so that it only seems damaged.
    assertUnlocked(path);
    throw error;
  }
}

/** SQLite removes a WAL beside a database that is gone or empty, but all mail may be in that WAL. */
function assertNoWal(path: string): void {
  if (readWal(path) === undefined) return unmarkDamaged(path);
  // It is salvaged as the WAL of an empty file.
  withFile(path, "append", () => {});
  assertUnlocked(path);
  throw damagedFile(path, "it is gone or empty, and its WAL is not");
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

/** LOCKED where another process has the database. A second name is opened, to which no WAL belongs. */
function assertUnlocked(path: string): void {
  const probePath = `${path}.probe`;
  try {
    rmSync(probePath, { force: true });
    linkSync(path, probePath);
  } catch {
    // Some file systems have no links. The broker's lock of the home is enough there.
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
  // SQLite then checks a page more closely before it uses it.
  database.exec("PRAGMA cell_size_check = ON");
  const version = readVersion(database, path, steps.length);
  if (version === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.pragma("journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  database.pragma(`journal_size_limit = ${keptWalBytes}`);
  assertMode(database);
  if (version > 0) checkIntegrity(database, path, steps.slice(0, version));
  if (version < steps.length) migrate(database, path, version, steps);
}

/** SQLite's words for damage do not name the file. */
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
    // This error of libsql has no code.
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
