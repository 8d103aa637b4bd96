import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "./errno.js";

/** What stands in a home, told by its names. */
export interface HomeContents {
  /** Paths of what Peerline has put there. */
  readonly own: readonly string[];
  /** Paths of what somebody else has. */
  readonly others: readonly string[];
}

/**
 * Undefined where there is no directory, or none that a broker or an installation has used. A link in it
 * stands for itself.
 */
export function lookIntoHome(path: string): HomeContents | undefined {
  const names = namesIn(path);
  if (names === undefined || !names.some((name) => marks.has(name))) return undefined;
  return {
    own: names.filter((name) => ownName.test(name)).map((name) => join(path, name)),
    others: names.filter((name) => !ownName.test(name)).map((name) => join(path, name)),
  };
}

/** Each home has one of these, and hardly another directory. */
const marks: ReadonlySet<string> = new Set(["lock.db", "operator.token", "backups", "peers"]);

/** Files and folders of `Home`, with what is set aside, drafted or logged beside them. */
const ownName =
  /^(?:peerline\.db|lock\.db|broker|operator\.token|person\.secret|peers|doorbells|backups)(?:[.-].*)?$/;

function namesIn(path: string): string[] | undefined {
  try {
    return lstatSync(path).isDirectory() ? readdirSync(path) : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
