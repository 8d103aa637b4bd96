import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { systemClock } from "../clock.js";
import { errnoOf } from "./errno.js";
import { startClaimMs } from "./limits.js";

/**
 * Claims the start of a broker, so that of many agents which come at once only one goes to the cost
 * of a process; undefined while another has the claim. This saves work and guards nothing: that is
 * the lock's part. A claim whose owner was killed lapses.
 */
export function claimStart(path: string): Disposable | undefined {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    if (isFresh(path)) return undefined;
    closeSync(openSync(path, "w", 0o600));
  }
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (isHeld) rmSync(path, { force: true });
      isHeld = false;
    },
  };
}

// By the distance, so that a clock that was set back does not make a claim last.
function isFresh(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Math.abs(systemClock.now() - stats.mtimeMs) < startClaimMs;
}
