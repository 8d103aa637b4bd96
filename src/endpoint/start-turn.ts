import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { systemClock } from "../clock.js";
import { EndpointError, errnoOf, type EndpointErrorCode } from "./endpoint-error.js";
import {
  firstStartPauseMs,
  maxStampBytes,
  maxStartFailureBytes,
  maxStartPauseMs,
  startClaimMs,
  startFailuresMs,
} from "./limits.js";
import { lifeOf, readStamp, stampProcess } from "./process-stamp.js";
import { openRegularFile, openRegularFileForWriting, writeRegularFile } from "./regular-file.js";

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

/**
 * What kept the last broker of a home from coming up, or from staying up. The broker leaves it in a
 * file of the home, so that agents which all want one do not start it one after the other. For a while
 * they are given the reason instead. That while doubles with each failure in a row. If the file cannot
 * be written, each agent has only its own pauses.
 */
export interface StartFailure {
  readonly code: EndpointErrorCode;
  /** Whole sentences for people. */
  readonly message: string;
}

export function noteStartFailure(path: string, { code, message }: StartFailure): void {
  // A broker of a newer version would start.
  if (code === "STORE_NEWER") return;
  try {
    const failures = 1 + (lastFailure(path)?.failures ?? 0);
    writeRegularFile(path, `${JSON.stringify({ failures, code, message })}\n`, "replace");
  } catch {
    // The failure may be that nothing can be written.
  }
}

/** A broker has shown that it stays up. */
export function forgetStartFailure(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It counts for a short time only.
  }
}

/** Why no broker is to be started now, and until when; undefined where nothing speaks against it. */
export function recentStartFailure(path: string): EndpointError | undefined {
  const last = lastFailure(path);
  if (last === undefined) return undefined;
  const pauseMs = Math.min(firstStartPauseMs * 2 ** (last.failures - 1), maxStartPauseMs);
  const leftMs = pauseMs - last.ageMs;
  if (leftMs <= 0) return undefined;
  const again = `Agents start it again in ${Math.ceil(leftMs / 1000)} s; \`peerline read\` does at once.`;
  return new EndpointError(last.code, `${last.message} ${again}`);
}

interface LastFailure extends StartFailure {
  /** In a row. */
  readonly failures: number;
  readonly ageMs: number;
}

function lastFailure(path: string): LastFailure | undefined {
  using file = openRegularFile(path, "refuse");
  if (file === undefined) return undefined;
  // By the distance, so that a clock that was set back does not make it last.
  const ageMs = Math.abs(systemClock.now() - file.stats.mtimeMs);
  if (ageMs >= startFailuresMs) return undefined;
  return { ...parse(file.read(0, maxStartFailureBytes).toString()), ageMs };
}

/** Of a file that could not be written whole only its time counts. */
function parse(text: string): Omit<LastFailure, "ageMs"> {
  const unknown = { code: "BROKER_START_FAILED", message: "The last broker failed." } as const;
  try {
    const { failures, code, message } = JSON.parse(text) as Record<string, unknown>;
    if (typeof message !== "string" || !Number.isInteger(failures)) {
      return { ...unknown, failures: maxFailures };
    }
    const known = codes.find((one) => one === code) ?? unknown.code;
    return { failures: Math.min(Math.max(1, Number(failures)), maxFailures), code: known, message };
  } catch {
    return { ...unknown, failures: maxFailures };
  }
}

/** After so many the pause does not grow any more. */
const maxFailures = 10;

/** The codes of a start that failed. The callers' advice depends on them. */
const codes: readonly EndpointErrorCode[] = [
  "HOME_UNUSABLE",
  "LOCKS_REFUSED",
  "STORE_DAMAGED",
  "STORE_UNREACHABLE",
];
