import { type Bound, StoreError, type StoreErrorCode } from "../../broker/store/store.js";

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

/** A file that cannot be made, opened or written. A failed sync has another code. */
const refusedWrites: ReadonlySet<number> = new Set([
  SQLITE_READONLY,
  SQLITE_IOERR_WRITE,
  SQLITE_CANTOPEN,
]);

/** An error of SQLite as the contract has it; undefined for one that nobody expects. */
export function toStoreError(error: unknown): StoreError | undefined {
  if (error instanceof StoreError) return error;
  if (!(error instanceof Error) || !("rawCode" in error)) return undefined;
  const code = Number(error.rawCode);
  const options = { cause: error };
  if (code === SQLITE_IOERR_READ || code === SQLITE_IOERR_SHORT_READ) {
    return new StoreError("DATA_LOSS", `The database cannot be read (${code}).`, options);
  }
  // The lower bits are the kind; the upper ones differ between versions.
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
 * Whether a write was refused, for a reason that SQLite does not give. Nothing of it is in the database,
 * and all that was synced before is. So its transaction can be undone.
 */
export function isRefusedWrite(error: unknown): boolean {
  if (!(error instanceof Error) || !("rawCode" in error)) return false;
  return refusedWrites.has(Number(error.rawCode));
}

/** Whether the file is damaged, and not just a row: a damaged row is a StoreError. */
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

/** For a file that is damaged as a whole. To use it as it is would lose mail without a word. */
export function damagedFile(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError("DATA_LOSS", `${path} is damaged: ${what}.`, { cause });
}

/** The same where nothing can be salvaged, so that a person has to decide. */
export function lostFile({ message, cause }: StoreError): StoreError {
  return new StoreError(
    "DATA_LOSS",
    `${message} Nothing in it can be read. Set it aside together with the files beside it that have its name and -wal or -shm: then a backup may take its place, or a new one is made. \`peerline doctor\` has the command.`,
    { cause },
  );
}

/** The result of one call, as it crosses the thread boundary. A failure without a code is a bug. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly code: StoreErrorCode | undefined;
      readonly message: string;
      readonly bound?: Bound | undefined;
    };

export function toOutcome(error: unknown): Outcome {
  const known = toStoreError(error);
  if (known !== undefined) {
    return { ok: false, code: known.code, message: known.message, bound: known.bound };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { ok: false, code: undefined, message };
}

/** The error of a failed outcome, for the caller. */
export function toError({ code, message, bound }: Extract<Outcome, { ok: false }>): Error {
  return code === undefined ? new Error(message) : new StoreError(code, message, { bound });
}
