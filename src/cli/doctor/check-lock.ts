import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../clock.js";
import { fileSystemOf } from "../../endpoint/file-system.js";
import { lifeOf, readHolder, type LockState } from "../../endpoint/process-stamp.js";
import { readRegularFile } from "../../endpoint/regular-file.js";
import { isClaimed } from "../../endpoint/start-turn.js";
import { lookAtHomeLock } from "../broker-process.js";
import { advise, commandLine } from "./advice.js";
import type { BrokerView } from "./broker-view.js";
import type { HomeView } from "./check-home.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { lockSettleLooks, lockSettleMs, maxLocksBytes } from "../limits.js";

/** The lock of a home's broker. */
export interface LockView {
  /** `held` also for a running broker whose lock was not looked at. */
  readonly state: LockState;
  /** Who holds it; undefined where nobody does, or nothing says who. */
  readonly holder: LockHolder | undefined;
}

export interface LockHolder {
  readonly pid: number;
  /** In another container its number means nothing here. */
  readonly place: "here" | "elsewhere";
}

/**
 * The lock of a home in which no broker is to be asked, or whose broker was asked.
 *
 * @param broker of the home; undefined where its agents use the one of another machine
 */
export async function lookAtLock(
  home: HomeView,
  broker: BrokerView | undefined,
): Promise<LockView> {
  if (home.state !== "usable") return { state: "free", holder: undefined };
  const path = join(home.path, "lock.db");
  const state = broker?.state === "running" ? "held" : await lookAtHomeLock(path);
  return { state, holder: state === "held" ? await holderOf(home.path) : undefined };
}

/**
 * Looks at broker and lock until they agree: one that starts or ends has the lock and no socket for a
 * moment. Resolves to the last of each.
 */
export async function lookUntilSettled(
  home: HomeView,
  look: () => Promise<BrokerView>,
  signal: AbortSignal,
): Promise<{ broker: BrokerView; lock: LockView }> {
  for (let looks = 1; ; looks += 1) {
    const broker = await look();
    const lock = await lookAtLock(home, broker);
    const isUnsettled = lock.state === "held" && ["absent", "left"].includes(broker.state);
    if (!isUnsettled || looks === lockSettleLooks) return { broker, lock };
    await sleep(lockSettleMs, signal);
  }
}

/** The system's own word first, which names processes of here; then what the broker said of itself. */
async function holderOf(home: string): Promise<LockHolder | undefined> {
  const pid = await lockHolder(home);
  if (pid !== undefined) return { pid, place: "here" };
  const stamp = await readHolder(join(home, "broker.pid"));
  if (stamp === undefined) return undefined;
  const life = lifeOf(stamp);
  // Whoever has it by now is another one.
  if (life === "ended") return undefined;
  return { pid: stamp.pid, place: life === "elsewhere" ? "elsewhere" : "here" };
}

/**
 * The process that holds a home's lock: its broker, or one that is about to serve or is ending. Undefined
 * where nobody does, or where the system does not show locks as a file. The lock is not taken to find
 * out: a broker that starts at that moment would think that another serves.
 */
export async function lockHolder(home: string): Promise<number | undefined> {
  const stats = statSync(join(home, "lock.db"), { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  for (const line of await lockLines()) {
    const [, inode, first] = /\S+:\S+:(\d+) (\d+) \S+$/.exec(line) ?? [];
    const pid = Number(/ WRITE +(-?\d+) /.exec(line)?.[1]);
    if (Number(inode) === stats.ino && sqliteLockBytes.has(Number(first)) && pid > 0) return pid;
  }
  return undefined;
}

/** Where SQLite's locks begin: those of a writer that waits, and of one that has the file. */
const sqliteLockBytes: ReadonlySet<number> = new Set([0x4000_0000, 0x4000_0001, 0x4000_0002]);

async function lockLines(): Promise<string[]> {
  const locks = await readRegularFile("/proc/locks", maxLocksBytes);
  return locks?.bytes?.toString().split("\n") ?? [];
}

/** Whether the home's file system gives locks, and whether who holds its lock serves. */
export function checkLock({ config, home, broker, lock, self }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  if (config.joined !== undefined) {
    if (lock.state !== "held") return [];
    const who = lock.holder === undefined ? "" : ` (${holderWords(lock.holder)})`;
    const seen = `this home's own broker${who} still runs: agents that began before the join may use it`;
    const advice = advise([`${self} stop`], "they come over then");
    return [{ id: "broker-own", severity: "warning", subject: home.path, seen, ...advice }];
  }
  if (lock.state === "refused") {
    const name = fileSystemOf(home.path);
    const seen = `its file system${name === "" ? "" : ` (${name})`} refuses locks, and without them no broker starts`;
    const fix = "Set PEERLINE_HOME to a directory on a local disk, the same for all agents";
    return [{ id: "locks-refused", severity: "problem", subject: home.path, seen, fix }];
  }
  const isUnserved = broker.state !== "running" && broker.state !== "silent";
  if (lock.state !== "held" || !isUnserved) return [];
  const who = lock.holder === undefined ? "a process" : holderWords(lock.holder);
  const seen = `${who} holds the home's lock and serves nobody here: no other broker can start`;
  return [
    { id: "lock-held", severity: "problem", subject: home.path, seen, ...endHolder(lock.holder) },
  ];
}

export function holderWords({ pid, place }: LockHolder): string {
  return place === "here" ? `process ${pid}` : `process ${pid} of another container`;
}

/** How to end who cannot be asked to stop. */
export function endHolder(holder: LockHolder | undefined): Pick<Finding, "fix" | "commands"> {
  if (holder?.place === "here") return advise([commandLine("kill", "-KILL", String(holder.pid))]);
  const what = "agents that run start another broker by themselves";
  return holder === undefined
    ? { fix: `End the broker where it runs, as in another container: ${what}` }
    : { fix: `End process ${holder.pid} in the container that it runs in: ${what}` };
}

/** The claim of a process that was killed while it started a broker. It has lapsed, and guards nothing. */
export function checkStartClaim({ home, nowMs }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  const path = join(home.path, "broker.starting");
  if (!existsSync(path) || isClaimed(path, nowMs)) return [];
  const seen = "left by a process that ended while it started a broker; the next start takes it";
  const advice = advise([commandLine("rm", path)]);
  return [{ id: "start-claim", severity: "note", subject: path, seen, ...advice }];
}
