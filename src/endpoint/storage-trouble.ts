import { EndpointError } from "./endpoint-error.js";
import { errnoOf } from "./errno.js";

/** Why the system does not store, and what helps. */
export interface StorageTrouble {
  readonly what: string;
  readonly mend: string;
}

/** Undefined for an error that is about something else. */
export function storageTrouble(error: unknown): StorageTrouble | undefined {
  return troubles[errnoOf(error) ?? ""];
}

const troubles: Readonly<Record<string, StorageTrouble>> = {
  ENOSPC: { what: "the disk is full (ENOSPC)", mend: "Free some room" },
  EDQUOT: {
    what: "the quota of disk space is used up (EDQUOT)",
    mend: "Free some room, or have it raised",
  },
  EFBIG: {
    what: "files may not grow further (EFBIG)",
    mend: "Start it without a bound on their size (ulimit -f)",
  },
  EROFS: {
    what: "the file system is read-only (EROFS)",
    mend: "Have it mounted so that it can be written",
  },
  EIO: { what: "the disk fails (EIO)", mend: "Have it checked" },
};

/** An error of writing in whole sentences: `path` where the error names none. Any other error as it is. */
export function explainStorage(error: unknown, path: string): unknown {
  const trouble = storageTrouble(error);
  if (trouble === undefined) return error;
  const message = `${path} cannot be written: ${trouble.what}. ${trouble.mend}.`;
  return new EndpointError("HOME_UNUSABLE", message, { cause: error });
}
