import { statSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../clock.js";
import { lifeOf, readHolder, type LockState } from "../../endpoint/process-stamp.js";
import { readRegularFile } from "../../endpoint/regular-file.js";
import { lookAtHomeLock } from "../broker-process.js";
import type { BrokerView } from "./broker-view.js";
import type { HomeView } from "./home-view.js";
import { lockSettleLooks, lockSettleMs, maxLocksBytes } from "./limits.js";

/** The lock of a home's broker. */
export interface LockView {
  /** `held` also where a broker that runs was not looked at for it. */
  readonly state: LockState;
  /** Who holds it; undefined where nobody does, or nothing says who. */
  readonly holder: LockHolder | undefined;
}

export interface LockHolder {
  readonly pid: number;
  /** In another container its number means nothing here. */
  readonly place: "here" | "elsewhere";
}

/** The lock of a home in which no broker is to be asked, or whose broker was asked. */
export async function lookAtLock(home: HomeView, broker: BrokerView): Promise<LockView> {
  if (home.state !== "usable") return { state: "free", holder: undefined };
  const path = join(home.path, "lock.db");
  const state = broker.state === "running" ? "held" : await lookAtHomeLock(path);
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
