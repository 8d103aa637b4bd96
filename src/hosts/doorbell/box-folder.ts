import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openHome } from "../../endpoint/home.js";
import { tellWaiter } from "./waiter.js";
import { maxBoxName, maxSweptBoxes, newBoxMs } from "./limits.js";

/** By what the hooks of a host find the folder of its agent. */
export interface BoxKey {
  /** The home's path. */
  readonly home: string;
  /** The host's own name of its session; undefined where it does not tell. */
  readonly session: string | undefined;
  /** The host's process; undefined where it runs several sessions, and this one is known by its own name. */
  readonly hostPid: number | undefined;
}

export interface BoxFolder {
  readonly path: string;
  /** Other names of the folder. */
  readonly links: readonly string[];
}

/**
 * Makes the folder of an agent: named for the host's session, with a link named for its process, since
 * a host may begin another session in the same process; for the process alone where the session is not
 * known. The folder of a process belongs to the first agent that takes it.
 */
export function openBox({ home, session, hostPid }: BoxKey): BoxFolder | undefined {
  try {
    const { doorbellsPath } = openHome(home);
    const byPid = hostPid === undefined ? undefined : join(doorbellsPath, `pid-${hostPid}`);
    mkdirSync(doorbellsPath, { mode: 0o700, recursive: true });
    sweep(doorbellsPath);
    if (session !== undefined && isFolderName(session)) {
      const path = join(doorbellsPath, session);
      take(path);
      return { path, links: byPid !== undefined && link(byPid, session) ? [byPid] : [] };
    }
    if (byPid === undefined || ownerOf(byPid) !== undefined) return undefined;
    take(byPid);
    return { path: byPid, links: [] };
  } catch {
    // A full disk, or a home that cannot be used: the first call says why.
    return undefined;
  }
}

/** Removes the folder, unless another agent has it by now or somebody waits in it. */
export function leaveBox({ path, links }: BoxFolder): void {
  if (readPid(join(path, ownerFile)) !== process.pid) return;
  for (const link of links) rmSync(link, { force: true });
  rmSync(join(path, ownerFile), { force: true });
  if (!isWaitedIn(path)) rmSync(path, { force: true, recursive: true });
}

/** Whether an agent that was killed left this folder or link. A folder without an agent may be a new one's. */
export function isLeft(path: string): boolean {
  if (ownerOf(path) !== undefined || isWaitedIn(path)) return false;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const hadOwner = stats?.isSymbolicLink() || readPid(join(path, ownerFile)) !== undefined;
  return stats !== undefined && (hadOwner || Date.now() - stats.mtimeMs >= newBoxMs);
}

const ownerFile = "adapter.pid";

function isFolderName(session: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(session) && session.length <= maxBoxName;
}

/** Of two agents of one session the newer one counts. */
function take(path: string): void {
  mkdirSync(path, { mode: 0o700, recursive: true });
  writeFileSync(join(path, ownerFile), `${process.pid}\n`, { mode: 0o600 });
}

/** False where the process's folder belongs to a living agent of another session. */
function link(path: string, target: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    if (readlinkSync(path) !== target && ownerOf(path) !== undefined) return false;
  } else if (ownerOf(path) !== undefined) return false;
  rmSync(path, { force: true, recursive: true });
  symlinkSync(target, path);
  return true;
}

/** The living process whose folder this is; undefined where there is none. */
function ownerOf(path: string): number | undefined {
  const pid = readPid(join(path, ownerFile));
  return pid !== undefined && isAlive(pid) ? pid : undefined;
}

function isWaitedIn(path: string): boolean {
  const pid = readPid(join(path, "waiter.pid"));
  return pid !== undefined && isAlive(pid);
}

function sweep(doorbellsPath: string): void {
  for (const name of readdirSync(doorbellsPath).slice(0, maxSweptBoxes)) {
    const path = join(doorbellsPath, name);
    if (isLeft(path)) rmSync(path, { force: true, recursive: true });
    else if (ownerOf(path) === undefined) tellWaiter(path, "");
  }
}

function readPid(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
