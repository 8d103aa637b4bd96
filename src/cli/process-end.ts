import { sleep, systemClock } from "../clock.js";
import { isRunning } from "../endpoint/is-running.js";

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
