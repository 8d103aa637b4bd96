import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../clock.js";
import { errnoOf } from "../../endpoint/errno.js";
import { openHome } from "../../endpoint/home.js";
import { isRunning } from "../../endpoint/is-running.js";
import { readSmallFile, writeSmallFile } from "./small-file.js";
import { tellWaiter } from "./waiter.js";
import { maxBoxName, maxSweptBoxes, maxTakes, newBoxMs } from "./limits.js";

/** By what the hooks of a host find the folder of its agent. */
export interface BoxKey {
  /** The home's path. */
  readonly home: string;
  /** The host's process. */
  readonly hostPid: number;
  /** The host's own name of the session, where the process runs several and this one is known. */
  readonly session: string | undefined;
}

/**
 * Makes the folder of an agent. It is named for the host's process; for the session where the host runs
 * several in one process. Before it has named the session, the process's folder is the agent's as long
 * as no other agent of the process wants it: then it is marked as shared, and hooks leave it alone.
 */
export function openBox({ home, session, hostPid }: BoxKey): string | undefined {
  if (session !== undefined && !isFolderName(session)) return undefined;
  try {
    const { doorbellsPath } = openHome(home);
    mkdirSync(doorbellsPath, { mode: 0o700, recursive: true });
    sweep(doorbellsPath);
    const path = join(doorbellsPath, session ?? `pid-${hostPid}`);
    if (session === undefined && ownerOf(path) !== undefined) {
      writeSmallFile(join(path, "shared"), "");
      return undefined;
    }
    take(path);
    return path;
  } catch {
    // A full disk, or a home that cannot be used: the first call says why.
    return undefined;
  }
}

/** Removes the folder, unless a newer agent has it by now or somebody waits in it. Never throws. */
export function leaveBox(path: string): void {
  try {
    if (!isOwnBox(path)) return;
    if (isWaitedIn(path)) return rmSync(join(path, ownerFile), { force: true });
    // A newer agent of the session may be taking it at this moment: then it is put back.
    const aside = `${path}.left-${process.pid}`;
    renameSync(path, aside);
    if (isOwnBox(aside)) rmSync(aside, { force: true, recursive: true });
    else renameSync(aside, path);
  } catch {
    // What is left is removed when another agent begins.
  }
}

/** No newer agent of the session has taken the folder over. */
export function isOwnBox(path: string): boolean {
  return readPid(join(path, ownerFile)) === process.pid;
}

/** Whether an agent that was killed left this folder or link. A folder without an agent may be a new one's. */
export function isLeft(path: string): boolean {
  if (ownerOf(path) !== undefined || isWaitedIn(path)) return false;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const hadOwner = readPid(join(path, ownerFile)) !== undefined;
  return stats !== undefined && (hadOwner || systemClock.now() - stats.mtimeMs >= newBoxMs);
}

const ownerFile = "adapter.pid";

/** Of two agents of one session the newer one counts. */
function take(path: string): void {
  for (let attempt = 1; ; attempt++) {
    mkdirSync(path, { mode: 0o700, recursive: true });
    try {
      return writeSmallFile(join(path, ownerFile), `${process.pid}\n`);
    } catch (error) {
      // The older one has just moved it aside.
      if (errnoOf(error) !== "ENOENT" || attempt === maxTakes) throw error;
    }
  }
}

function isFolderName(session: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(session) && session.length <= maxBoxName;
}

/** The living process whose folder this is; undefined where there is none. */
function ownerOf(path: string): number | undefined {
  const pid = readPid(join(path, ownerFile));
  return pid !== undefined && isRunning(pid) ? pid : undefined;
}

function isWaitedIn(path: string): boolean {
  const pid = readPid(join(path, "waiter.pid"));
  return pid !== undefined && isRunning(pid);
}

function sweep(doorbellsPath: string): void {
  for (const name of readdirSync(doorbellsPath).slice(0, maxSweptBoxes)) {
    const path = join(doorbellsPath, name);
    if (isLeft(path)) rmSync(path, { force: true, recursive: true });
    else if (ownerOf(path) === undefined) tellWaiter(path, "");
  }
}

function readPid(path: string): number | undefined {
  const text = readSmallFile(path)?.text.trim() ?? "";
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}
