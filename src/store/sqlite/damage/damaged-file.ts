import { StoreError } from "../../../broker/store.js";

/** A file that cannot be trusted as a whole: to use it as it is would lose in silence what it has lost. */
export function damagedFile(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError("DATA_LOSS", `${path} is damaged: ${what}.`, { cause });
}

/** The same where nothing can be salvaged: somebody has to decide. */
export function lostFile({ message, cause }: StoreError): StoreError {
  return new StoreError(
    "DATA_LOSS",
    `${message} Nothing in it can be read. Set it aside together with the files beside it that have its name and -wal or -shm: then a backup may take its place, or a new one is made. \`peerline doctor\` has the command.`,
    { cause },
  );
}
