import { StoreError } from "../../broker/store.js";

/** Result codes of SQLite: https://www.sqlite.org/rescode.html */
const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_CONSTRAINT = 19;
const SQLITE_NOTADB = 26;
const SQLITE_IOERR_READ = 266;
const SQLITE_IOERR_SHORT_READ = 522;
const SQLITE_IOERR_WRITE = 778;

/** A file that cannot be made, opened or written. None of these is a sync that failed. */
const refusedWrites: ReadonlySet<number> = new Set([
  SQLITE_READONLY,
  SQLITE_IOERR_WRITE,
  SQLITE_CANTOPEN,
]);

/** An error of SQLite as the contract says it; undefined for what is none of ours to expect. */
export function toStoreError(error: unknown): StoreError | undefined {
  if (error instanceof StoreError) return error;
  if (!(error instanceof Error) || !("rawCode" in error)) return undefined;
  const code = Number(error.rawCode);
  const options = { cause: error };
  if (code === SQLITE_IOERR_READ || code === SQLITE_IOERR_SHORT_READ) {
    return new StoreError("DATA_LOSS", `The database cannot be read (${code}).`, options);
  }
  // What the upper bits add differs between versions.
  switch (code & 0xff) {
    case SQLITE_FULL:
      return new StoreError("FULL", "The disk is full.", options);
    case SQLITE_BUSY:
      return new StoreError("LOCKED", "Another process holds the database.", options);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new StoreError("DATA_LOSS", `The database is damaged (${code}).`, options);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return new StoreError("UNAVAILABLE", `The database cannot be written (${code}).`, options);
    default:
      return undefined;
  }
}

/**
 * Whether a write failed, for a reason that SQLite does not tell. What it was to write is not in the
 * database, and all that was synced before is: a transaction that is undone then has never been.
 */
export function isRefusedWrite(error: unknown): boolean {
  if (!(error instanceof Error) || !("rawCode" in error)) return false;
  return refusedWrites.has(Number(error.rawCode));
}

/** Whether the database itself cannot be read as it should: no row's damage, which is a StoreError. */
export function isStructural(error: unknown): boolean {
  return !(error instanceof StoreError) && toStoreError(error)?.code === "DATA_LOSS";
}

export function isConstraint(error: unknown): boolean {
  return (
    error instanceof Error &&
    "rawCode" in error &&
    (Number(error.rawCode) & 0xff) === SQLITE_CONSTRAINT
  );
}
