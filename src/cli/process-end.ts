import { readFileSync } from "node:fs";
import { sleep, systemClock } from "../clock.js";

/**
 * Waits until a process has ended; false where it has not within `ms`. The system has no event for the
 * end of a process that is not a child, so this looks every `lookMs`.
 */
export async function waitForProcessEnd(
  pid: number,
  { ms, lookMs }: { ms: number; lookMs: number },
): Promise<boolean> {
  const deadlineMs = systemClock.now() + ms;
  while (isRunning(pid)) {
    if (systemClock.now() > deadlineMs) return false;
    await sleep(lookMs);
  }
  return true;
}

/** Whether there is a process of this id that has not ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return !isZombie(pid);
}

/** It has ended, and its parent has not taken note: in a container nobody may ever do. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // Not Linux, or gone just now, which the next look tells.
    return false;
  }
}
