import { readFileSync, readlinkSync, rmSync } from "node:fs";
import { errnoOf } from "./endpoint-error.js";
import { maxStampBytes } from "./limits.js";
import { readRegularFile, writeRegularFile } from "./regular-file.js";

/**
 * A process as files of a home name it. A home may be shared by containers, each of which counts its
 * processes for itself, and it outlives a boot: a number alone means another process there. So a stamp
 * is one line of words. They are the process's number, where that number counts, and when the process
 * started, in ticks since the boot. Where it counts is its *realm*: the boot's id and the pid
 * namespace. Where the system tells none of that, the stamp is the number alone.
 */
export interface ProcessStamp {
  readonly pid: number;
  /** Empty where the system does not tell. */
  readonly realm: string;
  /** Empty where the system does not tell. */
  readonly startTicks: string;
}

/** What can be said of a stamped process. Of one in another realm nothing can: no number of it counts here. */
export type Life = "running" | "ended" | "elsewhere";

/** The line for a process of this realm, this one by default; without a line end. */
export function stampProcess(pid: number = process.pid): string {
  return [pid, ownRealm(), startTicksOf(pid)].filter((word) => word !== "").join(" ");
}

/** Undefined for what is no stamp. */
export function readStamp(line: string): ProcessStamp | undefined {
  const words = /^([1-9]\d{0,9})(?: ([0-9a-f-]{36}\/\d{1,20}))?(?: (\d{1,20}))?$/.exec(line.trim());
  if (words === null) return undefined;
  const [, pid, realm = "", startTicks = ""] = words;
  return { pid: Number(pid), realm, startTicks };
}

/** Whether a stamped process runs still. A number that went to another process counts as ended. */
export function lifeOf({ pid, realm, startTicks }: ProcessStamp): Life {
  if (realm !== ownRealm()) return "elsewhere";
  if (!isRunning(pid)) return "ended";
  const now = startTicksOf(pid);
  return startTicks === "" || now === "" || startTicks === now ? "running" : "ended";
}

/** Whether a stamp is of this very process. */
export function isOwnStamp(stamp: ProcessStamp): boolean {
  return stamp.pid === process.pid && lifeOf(stamp) === "running";
}

/** Where the process numbers of this process count; empty where the system does not tell. */
export function ownRealm(): string {
  return (realm ??= readRealm());
}

/** When a process of this realm started, in ticks since the boot; empty where the system does not tell. */
export function startTicksOf(pid: number): string {
  return statOf(pid)?.[startField] ?? "";
}

/** The parent of a process of this realm; undefined where the system does not tell. */
export function parentOf(pid: number): number | undefined {
  const parent = Number(statOf(pid)?.[parentField]);
  return parent > 0 ? parent : undefined;
}

/** The id of this boot; empty where the system does not tell. */
export function bootId(): string {
  return (boot ??= readKernelLine("/proc/sys/kernel/random/boot_id") ?? "");
}

/** Places among the words of `/proc/PID/stat` that follow the program's name. */
const stateField = 0;
const parentField = 1;
const startField = 19;

// Neither changes while a process runs.
let realm: string | undefined;
let boot: string | undefined;

function readRealm(): string {
  try {
    const space = /^pid:\[(\d+)\]$/.exec(readlinkSync("/proc/self/ns/pid"))?.[1];
    return space !== undefined && /^[0-9a-f-]{36}$/.test(bootId()) ? `${bootId()}/${space}` : "";
  } catch {
    // Not Linux.
    return "";
  }
}

/** The words after the program's name, which may itself hold spaces and brackets. */
function statOf(pid: number): string[] | undefined {
  const stat = readKernelLine(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(") ") + 2).split(" ");
}

/** Whether there is a process of this id that has not ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    return errnoOf(error) === "EPERM";
  }
  return !isZombie(pid);
}

/** It is a zombie: it has ended, and its parent has not collected it. In a container nobody may ever do so. */
function isZombie(pid: number): boolean {
  return statOf(pid)?.[stateField] === "Z";
}

/** The line, or the lines, that a file of `/proc` holds; undefined where there is none, as on other systems than Linux. */
export function readKernelLine(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return undefined;
  }
}

/** The lock of a home; `refused` where its file system has none to give. */
export type LockState = "free" | "held" | "refused";

/**
 * Says in a file of the home which process holds its lock, until it is disposed. The file is for people
 * alone. Only the lock tells whether somebody holds it: a process that was killed leaves its file.
 */
export function noteHolder(path: string): Disposable {
  tryTo(() => writeRegularFile(path, `${stampProcess()}\n`, "replace"));
  return { [Symbol.dispose]: () => tryTo(() => rmSync(path, { force: true })) };
}

/** The process that last took a home's lock; undefined where none says so. */
export async function readHolder(path: string): Promise<ProcessStamp | undefined> {
  const file = await readRegularFile(path, maxStampBytes, "refuse");
  return readStamp(file?.bytes?.toString() ?? "");
}

/** On a full disk a broker runs all the same. */
function tryTo(change: () => void): void {
  try {
    change();
  } catch {
    return;
  }
}
