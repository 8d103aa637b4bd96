import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import Database from "libsql";
import { StoreError } from "../../broker/store.js";
import { toStoreError } from "./failure.js";
import { findProblem } from "./damage/integrity-check.js";
import { sync } from "./sync.js";

/**
 * Writes a copy of the database beside it, as `NAME.vVERSION-backup`, and returns its path. The copy
 * has that name only once it is whole, verified and synced; where it cannot be made, nothing is left.
 */
export function backUp(database: Database.Database, path: string, version: number): string {
  const backupPath = `${path}.v${version}-backup`;
  const partPath = `${backupPath}.part`;
  try {
    rmSync(partPath, { force: true });
    database.prepare("VACUUM INTO ?").run([partPath]);
    assertSame(database, partPath);
    sync(partPath);
    renameSync(partPath, backupPath);
    sync(dirname(path));
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

/** Removes the backups of this database but the one given, as far as it can. */
export function removeOtherBackups(path: string, keptPath: string): void {
  const folder = dirname(path);
  const prefix = `${basename(path)}.v`;
  for (const name of readdirSync(folder)) {
    const isBackup = name.startsWith(prefix) && /^\d+-backup$/.test(name.slice(prefix.length));
    if (isBackup && name !== basename(keptPath)) removeIfPossible(join(folder, name));
  }
}

/** Throws where the copy is not whole or holds less. */
function assertSame(database: Database.Database, copyPath: string): void {
  const copy = new Database(copyPath);
  try {
    if (findProblem(copy) !== undefined) throw new Error("the copy is damaged");
    if (describe(copy) !== describe(database)) throw new Error("the copy differs");
  } finally {
    copy.close();
  }
}

/** Whose database this is, its version, and how many rows each table has. */
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

/** A file that stays is in nobody's way, and no reason to refuse the database. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    return;
  }
}
