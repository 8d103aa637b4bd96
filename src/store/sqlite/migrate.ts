import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import Database from "libsql";
import { StoreError } from "../../broker/store/store.js";
import { renameDurably } from "../../durable-file.js";
import { findProblem } from "./damage/integrity-check.js";
import { toStoreError } from "./failure.js";
import { applicationId, type Migration } from "./schema.js";
import { removeIfPossible } from "./store-file.js";

/**
 * Brings a database to a newer version of the schema, or leaves it as it was:
 *
 * 1. Back up the database, and verify the backup. Without a backup nothing is migrated.
 * 2. Run the missing steps and set the new version, in one transaction.
 * 3. Remove all backups except the newest.
 */
export function migrate(
  database: Database.Database,
  path: string,
  version: number,
  migrations: readonly Migration[],
): void {
  const backupPath = version === 0 ? undefined : backUp(database, path, version);
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const step of migrations.slice(version)) {
      if (typeof step === "string") database.exec(step);
      else step(database);
    }
    database.exec(`PRAGMA application_id = ${applicationId};
      PRAGMA user_version = ${migrations.length};
      COMMIT;`);
  } catch (cause) {
    if (database.inTransaction) database.exec("ROLLBACK");
    const code = toStoreError(cause)?.code ?? "UNAVAILABLE";
    const words = `${path} could not be migrated from schema version ${version} to ${migrations.length} and is as it was.`;
    throw new StoreError(code, `${words} ${cause instanceof Error ? cause.message : ""}`.trim(), {
      cause,
    });
  }
  if (backupPath !== undefined) removeOtherBackups(path, backupPath);
}

/**
 * Writes a copy of the database beside it, as `NAME.vVERSION-backup`, and returns its path. The copy gets
 * that name when it is whole, verified and synced. Where it cannot be made, nothing is left of it.
 */
export function backUp(database: Database.Database, path: string, version: number): string {
  const backupPath = `${path}.v${version}-backup`;
  const partPath = `${backupPath}.part`;
  try {
    rmSync(partPath, { force: true });
    database.prepare("VACUUM INTO ?").run([partPath]);
    assertSame(database, partPath);
    renameDurably(partPath, backupPath);
    return backupPath;
  } catch (cause) {
    removeIfPossible(partPath);
    throw new StoreError(
      toStoreError(cause)?.code ?? "UNAVAILABLE",
      `${path} is not migrated: its backup ${backupPath} failed. ${cause instanceof Error ? cause.message : ""}`.trim(),
      { cause },
    );
  }
}

/** Removes the other backups of this database, as far as it can. */
export function removeOtherBackups(path: string, keptPath: string): void {
  const folder = dirname(path);
  const prefix = `${basename(path)}.v`;
  for (const name of readdirSync(folder)) {
    const isBackup = name.startsWith(prefix) && /^\d+-backup$/.test(name.slice(prefix.length));
    if (isBackup && name !== basename(keptPath)) removeIfPossible(join(folder, name));
  }
}

/** Throws where the copy is damaged, or has other rows than the database. */
function assertSame(database: Database.Database, copyPath: string): void {
  const copy = new Database(copyPath);
  try {
    if (findProblem(copy) !== undefined) throw new Error("the copy is damaged");
    if (describe(copy) !== describe(database)) throw new Error("the copy differs");
  } finally {
    copy.close();
  }
}

/** The application, the version, and how many rows each table has. */
function describe(database: Database.Database): string {
  const tables = database
    .prepare("SELECT CAST(name AS BLOB) AS name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
    .all() as { name: ArrayBuffer }[];
  const counts = tables.map(({ name }) => {
    const table = Buffer.from(name).toString();
    return [table, database.prepare(`SELECT count(*) AS rows FROM "${table}"`).all()];
  });
  const marks = ["application_id", "user_version"].map((pragma) =>
    database.prepare(`PRAGMA ${pragma}`).all(),
  );
  return JSON.stringify([marks, counts]);
}
