import type Database from "libsql";
import { StoreError } from "../../broker/store.js";
import { backUp, removeOtherBackups } from "./backup.js";
import { toStoreError } from "./failure.js";
import { applicationId, type Migration } from "./schema.js";

/**
 * Brings a database from one version of the schema to the next ones, or leaves it as it was:
 *
 * 1. Back up what there is, and verify the backup. Without one nothing is migrated.
 * 2. Run the steps that are missing, in one transaction with the new version.
 * 3. Remove the backups of earlier migrations: the newest stays.
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
