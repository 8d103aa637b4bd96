import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { StoreError } from "../../../broker/store.js";
import { systemClock } from "../../../clock.js";
import { copyRows, type Salvaged } from "./copy-rows.js";
import { lostFile } from "./damaged-file.js";
import { toStoreError } from "../failure.js";
import { withFile } from "../store-file.js";
import { sync } from "../sync.js";

/**
 * Makes a new database of what can be read of a damaged one, and keeps the damaged one beside it. Throws
 * `refusal` where nothing of ours can be read.
 *
 * 1. Copy what is there, row by row, each told by its checksum, into a file of another name; sync it.
 * 2. Name it `NAME.salvaged-TIME`: from here on it is the database, whatever happens.
 * 3. Rename the damaged file and its log to `NAME.damaged-TIME`, and the new one to `NAME`.
 *
 * Returns what became of the rows, in words. The caller has the home for itself.
 */
export function salvage(path: string, refusal: StoreError): string {
  const partPath = `${path}.salvage`;
  let salvaged: Salvaged;
  try {
    remove(partPath);
    salvaged = copyRows(path, partPath);
    if (!salvaged.isOurs) throw lostFile(refusal);
    sync(partPath);
  } catch (error) {
    remove(partPath);
    const known = toStoreError(error);
    if (known === undefined || known === error) throw error;
    throw new StoreError(known.code, `${refusal.message} It is not salvaged: ${known.message}`);
  }
  const time = new Date(systemClock.now()).toISOString().replaceAll(/[-:.]/g, "");
  renameSync(partPath, `${path}.salvaged-${time}`);
  sync(dirname(path));
  const damagedPath = finishSalvage(path);
  return `${refusal.message} ${describe(salvaged)} The damaged file is kept as ${damagedPath}.`;
}

function remove(partPath: string): void {
  for (const suffix of ["", "-journal"]) rmSync(partPath + suffix, { force: true });
}

/** Puts a salvaged database in its place, if there is one; returns where the damaged one is kept. */
export function finishSalvage(path: string): string | undefined {
  const folder = dirname(path);
  const prefix = `${basename(path)}.salvaged-`;
  const name = existsSync(folder) && readdirSync(folder).find((one) => one.startsWith(prefix));
  if (!name) return undefined;
  const damagedPath = `${path}.damaged-${name.slice(prefix.length)}`;
  for (const suffix of ["", "-wal"]) {
    const bytes = statSync(path + suffix, { throwIfNoEntry: false })?.size;
    if (bytes === 0) rmSync(path + suffix);
    else if (bytes !== undefined) renameSync(path + suffix, damagedPath + suffix);
  }
  sync(folder);
  renameSync(join(folder, name), path);
  sync(folder);
  unmarkDamaged(path);
  return damagedPath;
}

/** Has the database salvaged when it is opened next, because of what was met in it. */
export function markDamaged(path: string): void {
  try {
    withFile(markPath(path), "replace", () => {});
  } catch {
    // Whoever opens it next finds the damage the same way.
  }
}

export function isMarkedDamaged(path: string): boolean {
  return existsSync(markPath(path));
}

export function unmarkDamaged(path: string): void {
  rmSync(markPath(path), { force: true });
}

function markPath(path: string): string {
  return `${path}.salvage-due`;
}

function describe({ peers, messages, damagedMessages, forgottenReceipts }: Salvaged): string {
  return `Salvaged were ${messages} messages and ${peers} peers; ${damagedMessages} messages are lost, and ${forgottenReceipts} whose receipt is lost are offered again.`;
}
