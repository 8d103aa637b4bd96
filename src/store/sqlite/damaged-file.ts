import { StoreError } from "../../broker/store.js";

/** A file that cannot be trusted as a whole: opening it would lose in silence what it has lost. */
export function damagedFile(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError(
    "DATA_LOSS",
    `${path} is damaged: ${what}. Put back a backup of it; or move it away, to go on without what it holds.`,
    { cause },
  );
}
