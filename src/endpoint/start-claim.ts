import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { systemClock } from "../clock.js";
import { errnoOf } from "./endpoint-error.js";
import { maxStampBytes, startClaimMs } from "./limits.js";
import { lifeOf, readStamp, stampProcess } from "./process-stamp.js";
import { openRegularFile, openRegularFileForWriting } from "./regular-file.js";

/**
 * Claims the start of a broker, so that of many agents which come at once only one goes to the cost
 * of a process; undefined while another has the claim. This saves work and guards nothing: that is
 * the lock's part. A claim whose owner has ended lapses: at once where its process counts here, else, as
 * for that of another container, after a while.
 */
export function claimStart(path: string): Disposable | undefined {
  try {
    sign(openSync(path, "wx", 0o600));
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    if (isClaimed(path, systemClock.now())) return undefined;
    sign(openRegularFileForWriting(path, "replace", "refuse"));
  }
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (isHeld) rmSync(path, { force: true });
      isHeld = false;
    },
  };
}

/** Whether a claim stands. By the distance, so that a clock that was set back does not make it last. */
export function isClaimed(path: string, nowMs: number): boolean {
  using file = openRegularFile(path, "refuse");
  if (file === undefined || Math.abs(nowMs - file.stats.mtimeMs) >= startClaimMs) return false;
  const stamp = readStamp(file.read(0, maxStampBytes).toString());
  return stamp === undefined || lifeOf(stamp) !== "ended";
}

function sign(claim: number): void {
  try {
    writeSync(claim, `${stampProcess()}\n`);
  } catch {
    // On a full disk the time alone counts.
  } finally {
    closeSync(claim);
  }
}
