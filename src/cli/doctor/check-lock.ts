import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileSystemOf } from "../../endpoint/file-system.js";
import { isClaimed } from "../../endpoint/start-turn.js";
import { advise, commandLine } from "./advice.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import type { LockHolder } from "./lock-view.js";

/** Whether the home's file system gives locks, and whether who holds its lock serves. */
export function checkLock({ home, broker, lock }: Evidence): Finding[] {
  if (home.state !== "usable") return [];
  if (lock.state === "refused") {
    const name = fileSystemOf(home.path);
    const seen = `its file system${name === "" ? "" : ` (${name})`} refuses locks, and without them no broker starts`;
    const mend =
      "Set PEERLINE_HOME to a directory on a local disk, the same for all agents; or have it mounted with locks (NFS: as version 4, or with rpc.statd running)";
    return [{ id: "locks-refused", severity: "problem", subject: home.path, seen, mend }];
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
export function endHolder(holder: LockHolder | undefined): Pick<Finding, "mend" | "commands"> {
  if (holder?.place === "here") return advise([commandLine("kill", "-KILL", String(holder.pid))]);
  const what = "agents that run start another broker by themselves";
  return holder === undefined
    ? { mend: `End the broker where it runs, as in another container: ${what}` }
    : { mend: `End process ${holder.pid} in the container that it runs in: ${what}` };
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
