import { lstatSync, readdirSync, type Dirent } from "node:fs";
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
 * Undefined where there is no directory, or none that a broker or an installation has used: a folder that
 * only has names like those of a home proves nothing. A link in it stands for itself.
 */
export function lookIntoHome(path: string): HomeContents | undefined {
  const entries = entriesIn(path);
  if (entries === undefined) return undefined;
  const own: string[] = [];
  const others: string[] = [];
  let isHome = false;
  for (const entry of entries) {
    const entryPath = join(path, entry.name);
    const form = folderForms.get(entry.name);
    if (form === undefined || !entry.isDirectory()) {
      isHome ||= entry.isFile() && marks.has(entry.name);
      (ownName.test(entry.name) ? own : others).push(entryPath);
      continue;
    }
    const inside = entriesIn(entryPath) ?? [];
    const strange = inside.filter(({ name }) => !form.test(name));
    isHome ||= entry.name !== "doorbells" && strange.length < inside.length;
    if (strange.length === 0) own.push(entryPath);
    else
      own.push(
        ...inside.filter((one) => !strange.includes(one)).map(({ name }) => join(entryPath, name)),
      );
    others.push(...strange.map(({ name }) => join(entryPath, name)));
  }
  return isHome ? { own, others } : undefined;
}

/** Files that a broker makes in its home, and hardly anybody elsewhere. */
const marks: ReadonlySet<string> = new Set(["peerline.db", "lock.db", "operator.token"]);

/** The home's own folders, and the names that Peerline gives in them. */
const folderForms: ReadonlyMap<string, RegExp> = new Map([
  ["peers", /^[0-9a-f]{8}-[0-9a-f-]{27}\.secret(?:\..*)?$/],
  ["backups", /\.[0-9a-f]{8}(?:\.record|\.[0-9a-f]{8})?(?:\.[0-9a-f-]{36}.*)?$/],
  ["doorbells", /./],
]);

/** Files of `Home`, with what is set aside, drafted or logged beside them; links in the place of its folders. */
const ownName =
  /^(?:(?:peerline\.db|lock\.db|broker\.(?:sock|log|pid|starting|failed)|operator\.token|person\.secret)(?:[.-].*)?|peers\.set-aside.*|peers|backups|doorbells)$/;

function entriesIn(path: string): Dirent[] | undefined {
  try {
    return lstatSync(path).isDirectory() ? readdirSync(path, { withFileTypes: true }) : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
