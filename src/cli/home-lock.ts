import type { LockState } from "../endpoint/home-holder.js";

/** A home's lock as it is found. What holds it is loaded on demand: an agent's process never does. */
export async function lookAtHomeLock(path: string): Promise<LockState> {
  const { lookAtLock } = await import("../daemon/lock.js");
  return lookAtLock(path);
}
