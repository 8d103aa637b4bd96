import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../clock.js";
import { errnoOf } from "../../endpoint/endpoint-error.js";
import { openHome } from "../../endpoint/home.js";
import {
  bootId,
  isOwnStamp,
  isRunning,
  lifeOf,
  parentOf,
  readStamp,
  stampProcess,
  startTicksOf,
  type ProcessStamp,
} from "../../endpoint/process-stamp.js";
import { isPipeRead, readSmallFile, tellWaiter, writeSmallFile } from "./box-files.js";
import {
  foreignBoxMs,
  maxBoxName,
  maxSweptBoxes,
  maxTakes,
  maxWrappers,
  newBoxMs,
} from "../limits.js";

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
 * Makes the folder of an agent. It is named for the host's process, or for the session where the host runs
 * several in one process. Until the host has named its session, the agent uses the process's folder. If a
 * second agent of that process needs it, the folder is marked as shared, and hooks leave it alone.
 */
export function openBox({ home, session, hostPid }: BoxKey): string | undefined {
  const name = session === undefined ? boxOfProcess(hostPid) : boxOfSession(session);
  if (name === undefined) return undefined;
  try {
    const { doorbellsPath } = openHome(home);
    mkdirSync(doorbellsPath, { mode: 0o700, recursive: true });
    sweep(doorbellsPath);
    const path = join(doorbellsPath, name);
    if (session === undefined && isOwned(path)) {
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

/**
 * The folder's name for a process, as `doorbell.sh` makes it: with when the process began and the boot,
 * where the system tells. Its number alone is another process's in another container.
 */
export function boxOfProcess(pid: number): string {
  const startTicks = startTicksOf(pid);
  const [boot = ""] = bootId().split("-", 1);
  return startTicks === "" || boot === "" ? `pid-${pid}` : `pid-${pid}-${startTicks}-${boot}`;
}

/** The folder's name for a session of a host that runs several in one process; undefined where it can name none. */
function boxOfSession(session: string): string | undefined {
  const isName = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(session) && session.length <= maxBoxName;
  return isName ? session : undefined;
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
  const owner = ownerOf(path);
  return owner !== undefined && isOwnStamp(owner);
}

/**
 * Whether an agent that was killed left this folder or link. A folder without an agent may be a new one's;
 * of an agent of another container or boot one can only tell that nothing was seen for long.
 */
export function isLeft(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || isWaitedIn(path)) return false;
  const owner = ownerOf(path);
  const ageMs = systemClock.now() - stats.mtimeMs;
  switch (owner === undefined ? undefined : lifeOf(owner)) {
    case "running":
      return false;
    case "ended":
      return true;
    case "elsewhere":
      return ageMs >= foreignBoxMs;
    case undefined:
      return ageMs >= newBoxMs;
  }
}

/** Whether an agent has had this folder for a while, and no hook has told of a turn in it. */
export function isUnvisited(path: string): boolean {
  if (!isOwned(path) || readSmallFile(join(path, "turn")) !== undefined) return false;
  const { atMs } = readSmallFile(join(path, ownerFile)) ?? { atMs: systemClock.now() };
  return systemClock.now() - atMs >= newBoxMs;
}

const ownerFile = "adapter.pid";

/** Which conversation the host is in, as its hooks told last, or as its adapter assumes: then with a second line. */
export const conversationFile = "conversation";

/** The second line: a hook that tells a conversation writes the first alone. */
export const assumedMark = "assumed";

/** Of two agents of one session the newer one counts. */
function take(path: string): void {
  for (let attempt = 1; ; attempt++) {
    mkdirSync(path, { mode: 0o700, recursive: true });
    try {
      forgetEarlierAgent(path);
      return writeSmallFile(join(path, ownerFile), `${stampProcess()}\n`);
    } catch (error) {
      // The older one has just moved it aside.
      if (errnoOf(error) !== "ENOENT" || attempt === maxTakes) throw error;
    }
  }
}

/**
 * What an earlier agent assumed holds for no other: a program can run several, each in a conversation of
 * its own. Where the folder's name does not say when its process began, what hooks told may be left of an
 * earlier process.
 */
function forgetEarlierAgent(path: string): void {
  const file = join(path, conversationFile);
  const { text, atMs } = readSmallFile(file) ?? { text: "", atMs: systemClock.now() };
  const isAssumed = text.split("\n")[1] === assumedMark;
  const isOld = bootId() === "" && systemClock.now() - atMs >= newBoxMs;
  if (isAssumed || isOld) rmSync(file, { force: true });
}

/** The agent whose folder this is, as far as it wrote itself down. */
function ownerOf(path: string): ProcessStamp | undefined {
  return readStamp(readSmallFile(join(path, ownerFile))?.text ?? "");
}

/** An agent has the folder that has not ended, as far as can be told. */
function isOwned(path: string): boolean {
  const owner = ownerOf(path);
  return owner !== undefined && lifeOf(owner) !== "ended";
}

/** Somebody reads the pipe, in whatever container; or is about to. */
function isWaitedIn(path: string): boolean {
  if (isPipeRead(path)) return true;
  const { text, atMs } = readSmallFile(join(path, "waiter.pid")) ?? { text: "", atMs: 0 };
  const isNew = systemClock.now() - atMs < newBoxMs;
  return isNew && /^[1-9]\d{0,9}$/.test(text.trim()) && isRunning(Number(text));
}

function sweep(doorbellsPath: string): void {
  for (const name of readdirSync(doorbellsPath).slice(0, maxSweptBoxes)) {
    const path = join(doorbellsPath, name);
    if (isLeft(path)) rmSync(path, { force: true, recursive: true });
    else if (!isOwned(path)) tellWaiter(path, "");
  }
}

/**
 * The process of the host that started this server, which its hooks know too. What stands between the
 * two, such as a shell, npx or a version manager, hands its own standard input on; the host has another
 * one. Where the system does not show that, it is the parent.
 */
export function findHostProcess(): number {
  const stdin = standardInputOf("self");
  if (stdin === undefined || !/^(?:pipe|socket):/.test(stdin)) return process.ppid;
  let pid: number | undefined = process.ppid;
  for (let wrappers = 0; pid !== undefined && wrappers <= maxWrappers; wrappers++) {
    if (standardInputOf(pid) !== stdin) return pid;
    pid = parentOf(pid);
  }
  return process.ppid;
}

function standardInputOf(process: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/fd/0`);
  } catch {
    // Not Linux, or a process that shows nothing of itself.
    return undefined;
  }
}
