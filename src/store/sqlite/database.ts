import Database from "libsql";
import { StoreError } from "../../broker/store.js";
import { damagedFile } from "./damaged-file.js";
import { toStoreError } from "./failure.js";
import { checkIntegrity } from "./integrity-check.js";
import { checkpointPages, keptLogBytes } from "./limits.js";
import { checkLog } from "./log-check.js";
import { migrate } from "./migrate.js";
import { applicationId, migrations } from "./schema.js";

/**
 * Opens the database, alone, in the mode that its promises rest on, and brings it to the present schema.
 *
 * 1. The lock is EXCLUSIVE: a second opener is LOCKED. It is taken by the first read.
 * 2. A file that is not ours or newer than this program is left as it is.
 * 3. auto_vacuum counts only when set before anything is written; to set it later would write, too.
 * 4. WAL with synchronous=FULL: a commit that returned survives the loss of power. Builds of SQLite
 *    differ in what an existing WAL file is opened with, so it is set each time and read back.
 * 5. What is damaged is refused, as far as that can be told here. The log is looked at first: opened
 *    and closed, SQLite would have removed it.
 * 6. What is older is migrated, after a backup.
 *
 * @param steps see `migrations`.
 */
export function openDatabase(
  path: string,
  steps: readonly string[] = migrations,
): Database.Database {
  checkLog(path);
  const database = connect(path);
  try {
    prepareForUse(database, path, steps);
  } catch (error) {
    database.close();
    throw nameDamage(error, path);
  }
  return database;
}

function prepareForUse(database: Database.Database, path: string, steps: readonly string[]): void {
  database.pragma("locking_mode = EXCLUSIVE");
  const version = readVersion(database, path, steps.length);
  if (version === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.pragma("journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  database.pragma(`journal_size_limit = ${keptLogBytes}`);
  assertMode(database);
  if (version > 0) checkIntegrity(database, path);
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
