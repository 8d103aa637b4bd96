import { closeSync, constants, rmSync, statSync } from "node:fs";
import { StoreError } from "../../broker/store/store.js";
import { openFile } from "../../open-file.js";

const { O_RDONLY, O_WRONLY, O_CREAT, O_APPEND, O_TRUNC } = constants;

const ways = {
  read: O_RDONLY,
  append: O_WRONLY | O_CREAT | O_APPEND,
  replace: O_WRONLY | O_CREAT | O_TRUNC,
};

/**
 * Runs with the descriptor of one of the database's files. Anything else in its place is refused, without
 * waiting for it.
 */
export function withFile<T>(path: string, how: keyof typeof ways, run: (file: number) => T): T {
  const file = openStoreFile(path, how);
  try {
    return run(file);
  } finally {
    closeSync(file);
  }
}

/** The same, for whoever closes it. */
export function openStoreFile(path: string, how: keyof typeof ways): number {
  const file = openFile(path, ways[how]);
  if (file === undefined) throw notRegular(path);
  return file;
}

/** Throws where something other than a file stands at a path that SQLite opens itself. */
export function assertFiles(databasePath: string): void {
  for (const path of ["", "-wal", "-journal"].map((suffix) => databasePath + suffix)) {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) throw notRegular(path);
  }
}

/** Removes a backup or a probe. One that cannot be removed, as on a read-only disk, is no reason to fail. */
export function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    return;
  }
}

function notRegular(path: string): StoreError {
  return new StoreError("UNAVAILABLE", `${path} is no regular file. Move it away.`);
}
