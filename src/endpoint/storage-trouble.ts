import { EndpointError } from "./endpoint-error.js";
import { errnoOf } from "./errno.js";

/** What the system says when it does not store, with what helps. */
const troubles: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full (ENOSPC). Free some room",
  EDQUOT: "the quota of disk space is used up (EDQUOT). Free some room, or have it raised",
  EFBIG: "files may not grow further (EFBIG). Start it without a bound on their size (ulimit -f)",
  EROFS: "the file system is read-only (EROFS). Have it mounted so that it can be written",
  EIO: "the disk fails (EIO). Have it checked",
};

/** An error of writing in whole sentences: `path` where the error names none. Any other error as it is. */
export function explainStorage(error: unknown, path: string): unknown {
  const trouble = troubles[errnoOf(error) ?? ""];
  if (trouble === undefined) return error;
  const message = `${path} cannot be written: ${trouble}.`;
  return new EndpointError("HOME_UNUSABLE", message, { cause: error });
}
