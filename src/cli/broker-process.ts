import { isDeepStrictEqual } from "node:util";
import { sleep, systemClock } from "../clock.js";
import type { Home } from "../endpoint/home.js";
import {
  isRunning,
  lifeOf,
  readHolder,
  type LockState,
  type ProcessStamp,
} from "../endpoint/process-stamp.js";

/**
 * A broker's process. Its number is valid only where it runs: in another container that shares the home,
 * another process has it.
 */
export interface BrokerProcess {
  readonly pid: number;
  /** `unknown` where nothing says so, as of a broker of an older version. */
  readonly place: "here" | "elsewhere" | "unknown";
  /** What it said of itself; undefined where nothing says so. */
  readonly stamp: ProcessStamp | undefined;
}

export async function findBrokerProcess(home: Home, pid: number): Promise<BrokerProcess> {
  const stamp = await readHolder(home.holderPath);
  if (stamp?.pid !== pid) return { pid, place: "unknown", stamp: undefined };
  return { pid, place: lifeOf(stamp) === "elsewhere" ? "elsewhere" : "here", stamp };
}

/** For people: `pid 12`, and where that counts. */
export function processWords({ pid, place }: BrokerProcess): string {
  return place === "elsewhere" ? `pid ${pid} in another container` : `pid ${pid}`;
}

/** How to end it by force, in a sentence. */
export function endWords({ pid, place }: BrokerProcess): string {
  if (place === "here") return `end it with \`kill ${pid}\``;
  return place === "elsewhere"
    ? `end it in the container that it runs in, where its process is ${pid}`
    : `end its process, which is ${pid} where it runs`;
}

/**
 * Waits until a broker that was told to stop has ended; false where it has not within `ms`. A process of
 * this machine is looked up. For any other one the home's lock tells: the system frees it when the
 * process ends.
 */
export async function waitForBrokerEnd(
  home: Home,
  { pid, place, stamp }: BrokerProcess,
  { ms, lookMs }: { ms: number; lookMs: number },
): Promise<boolean> {
  if (place === "here") return waitForProcessEnd(pid, { ms, lookMs });
  const deadlineMs = systemClock.monotonic() + ms;
  while ((await lookAtHomeLock(home.lockPath)) === "held") {
    const holder = await readHolder(home.holderPath);
    // The next broker has the lock: this one has ended.
    if (stamp !== undefined && holder !== undefined && !isDeepStrictEqual(holder, stamp))
      return true;
    if (systemClock.monotonic() > deadlineMs) return false;
    await sleep(lookMs);
  }
  return true;
}

/**
 * Waits until a process has ended; false where it has not within `ms`. The system has no event for the
 * end of a process that is not a child, so this looks every `lookMs`.
 */
export async function waitForProcessEnd(
  pid: number,
  { ms, lookMs }: { ms: number; lookMs: number },
): Promise<boolean> {
  const deadlineMs = systemClock.monotonic() + ms;
  while (isRunning(pid)) {
    if (systemClock.monotonic() > deadlineMs) return false;
    await sleep(lookMs);
  }
  return true;
}

/** A home's lock as it is found. What holds it is loaded on demand: an agent's process never does. */
export async function lookAtHomeLock(path: string): Promise<LockState> {
  const { loadLock } = await import("../daemon/load-lock.js");
  const { lookAtLock } = await loadLock();
  return lookAtLock(path);
}
