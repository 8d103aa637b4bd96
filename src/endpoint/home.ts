import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  type Dirent,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { checkSocketPath } from "./broker-socket.js";
import { EndpointError, errnoOf } from "./endpoint-error.js";

/** The directory that holds everything of one broker and its peers, private to one user. */
export interface Home {
  /** Absolute, with links resolved: every process of this home names it the same. */
  readonly path: string;
  readonly socketPath: string;
  readonly lockPath: string;
  readonly holderPath: string;
  readonly startClaimPath: string;
  readonly startFailurePath: string;
  readonly databasePath: string;
  readonly logPath: string;
  readonly operatorTokenPath: string;
  /** A directory with the keys and certificates that other machines know the broker by. */
  readonly tlsPath: string;
  /** What the operator has set, where that is anything. */
  readonly settingsPath: string;
  /** The secret of the person at the terminal, who is one peer. */
  readonly personSecretPath: string;
  /** A directory with one secret for each other peer. */
  readonly peersPath: string;
  /** A directory with a folder for each agent that runs, where its host's hooks look for mail. */
  readonly doorbellsPath: string;
}

/**
 * Makes the home if it is missing, and checks that it is usable. It is a directory of this user, closed
 * to all others, writable, and short enough for a socket in it. On a file system that has become
 * read-only a broker that runs still answers: it is refused when something is to be written.
 *
 * An empty directory that others may enter is closed to them. One that is not empty is refused: what
 * it holds may have been read already, and it may be a directory that others need.
 */
export function openHome(path: string): Home {
  checkHomePath(path);
  const resolved = makeDirectory(path);
  checkPrivate(resolved);
  checkWritable(resolved);
  return {
    path: resolved,
    socketPath: socketPathIn(resolved),
    lockPath: join(resolved, "lock.db"),
    holderPath: join(resolved, "broker.pid"),
    startClaimPath: join(resolved, "broker.starting"),
    startFailurePath: join(resolved, "broker.failed"),
    databasePath: join(resolved, "peerline.db"),
    logPath: join(resolved, "broker.log"),
    operatorTokenPath: join(resolved, "operator.token"),
    tlsPath: join(resolved, "tls"),
    settingsPath: settingsPathIn(resolved),
    personSecretPath: join(resolved, "person.secret"),
    peersPath: join(resolved, "peers"),
    doorbellsPath: join(resolved, "doorbells"),
  };
}

/** Refuses a home whose socket would have too long a path, whether or not the home has been made. */
export function checkHomePath(path: string): void {
  checkSocketPath(socketPathIn(resolveLinks(path)), "Set PEERLINE_HOME to a shorter path.");
}

export function settingsPathIn(home: string): string {
  return join(home, "broker.toml");
}

function socketPathIn(home: string): string {
  return join(home, "broker.sock");
}

/** The path with the links in it resolved as far as it exists. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(resolveLinks(parent), basename(path));
  }
}

/** Whether there is anything at the path of a home. */
export function hasHome(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // Whoever opens it learns why it cannot be looked at.
    return true;
  }
}

function makeDirectory(path: string): string {
  try {
    makePath(path);
    return realpathSync(path);
  } catch (cause) {
    throw unusable(path, "cannot be made", "Set PEERLINE_HOME to a directory that can.", cause);
  }
}

/**
 * Makes a directory and those above it, where they are missing. Not mkdir's `recursive`: where an existing directory
 * takes no new one it never returns, as in /proc, or loses the reason, as on a read-only file system.
 */
export function makePath(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makePath(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

function checkPrivate(path: string): void {
  const stats = statSync(path);
  const { uid, mode } = stats;
  if (!stats.isDirectory()) {
    throw unusable(path, "is not a directory", "Set PEERLINE_HOME to one.");
  }
  if (uid !== process.getuid?.()) {
    throw unusable(
      path,
      "belongs to another user",
      "Set PEERLINE_HOME to a directory of your own.",
    );
  }
  if ((mode & 0o077) === 0) return;
  if (readdirSync(path).length > 0) {
    throw unusable(path, "is open to other users", `Run: chmod 700 '${path}'`);
  }
  chmodSync(path, 0o700);
}

function checkWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (errnoOf(cause) === "EROFS") return;
    throw unusable(path, "is not writable", "Set PEERLINE_HOME to a directory that is.", cause);
  }
}

function unusable(path: string, what: string, fix: string, cause?: unknown): EndpointError {
  const errno = errnoOf(cause);
  const reason = errno === undefined ? "" : ` (${errno})`;
  return new EndpointError("HOME_UNUSABLE", `The home ${path} ${what}${reason}. ${fix}`, {
    cause,
  });
}

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
  const children = entriesIn(path);
  if (children === undefined) return undefined;
  const own: string[] = [];
  const others: string[] = [];
  let isHome = false;
  for (const child of children) {
    const innerPath = join(path, child.name);
    const form = folderForms.get(child.name);
    if (form === undefined || !child.isDirectory()) {
      isHome ||= child.isFile() && marks.has(child.name);
      (ownName.test(child.name) ? own : others).push(innerPath);
      continue;
    }
    const inside = entriesIn(innerPath) ?? [];
    const strange = inside.filter(({ name }) => !form.test(name));
    isHome ||= child.name !== "doorbells" && strange.length < inside.length;
    if (strange.length === 0) own.push(innerPath);
    else
      own.push(
        ...inside.filter((one) => !strange.includes(one)).map(({ name }) => join(innerPath, name)),
      );
    others.push(...strange.map(({ name }) => join(innerPath, name)));
  }
  return isHome ? { own, others } : undefined;
}

/** Files that a broker makes in its home, and hardly anybody elsewhere. */
const marks: ReadonlySet<string> = new Set(["peerline.db", "lock.db", "operator.token"]);

/** The home's own folders, and the names that Peerline gives in them. */
const folderForms: ReadonlyMap<string, RegExp> = new Map([
  ["peers", /^(?:[0-9a-f]{8}-[0-9a-f-]{27}\.secret|[a-z0-9][a-z0-9._-]*\.identity)(?:\..*)?$/],
  ["backups", /\.[0-9a-f]{8}(?:\.record|\.[0-9a-f]{8})?(?:\.[0-9a-f-]{36}.*)?$/],
  ["doorbells", /./],
  ["tls", /^(?:ca|server)\.pem(?:\..*)?$/],
]);

/** Files of `Home`, with what is set aside, drafted or logged beside them; links in the place of its folders. */
const ownName =
  /^(?:(?:peerline\.db|lock\.db|broker\.(?:sock|log|pid|starting|failed|toml)|operator\.token|person\.secret|joined\.json)(?:[.-].*)?|peers\.set-aside.*|peers|backups|doorbells|tls)$/;

function entriesIn(path: string): Dirent[] | undefined {
  try {
    return lstatSync(path).isDirectory() ? readdirSync(path, { withFileTypes: true }) : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
