import { join } from "node:path";
import { sleep } from "../../clock.js";
import { readHolder, type LockState } from "../../endpoint/home-holder.js";
import { lifeOf } from "../../endpoint/process-stamp.js";
import { lookAtHomeLock } from "../home-lock.js";
import type { BrokerView } from "./broker-view.js";
import type { HomeView } from "./home-view.js";
import { lockSettleLooks, lockSettleMs } from "./limits.js";
import { lockHolder } from "./lock-holder.js";

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
