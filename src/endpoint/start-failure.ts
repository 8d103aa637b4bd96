import { rmSync, writeFileSync } from "node:fs";
import { systemClock } from "../clock.js";
import { EndpointError, type EndpointErrorCode } from "./endpoint-error.js";
import { maxStartFailureBytes, startPauseMs } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

/**
 * What kept the last broker of a home from coming up, or from staying up. It stands in a file of the home, so
 * that agents which all want a broker do not start one after the other: for `startPauseMs` they hear why
 * instead. Where the file cannot be written, each of them has only its own pauses.
 */
export interface StartFailure {
  readonly code: EndpointErrorCode;
  /** Whole sentences for people. */
  readonly message: string;
}

export function noteStartFailure(path: string, { code, message }: StartFailure): void {
  try {
    writeFileSync(path, `${JSON.stringify({ code, message })}\n`, { mode: 0o600 });
  } catch {
    // The failure may be that nothing can be written.
  }
}

/** A broker came up. */
export function forgetStartFailure(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It counts for a short time only.
  }
}

/** Why no broker is to be started now, and until when; undefined where nothing speaks against it. */
export async function recentStartFailure(path: string): Promise<EndpointError | undefined> {
  const file = await readRegularFile(path, maxStartFailureBytes, "refuse");
  if (file === undefined) return undefined;
  // By the distance, so that a clock that was set back does not make it last.
  const leftMs = startPauseMs - Math.abs(systemClock.now() - file.stats.mtimeMs);
  if (leftMs <= 0) return undefined;
  const { code, message } = parse(file.bytes?.toString() ?? "");
  const again = `Agents start it again in ${Math.ceil(leftMs / 1000)} s; \`peerline read\` does at once.`;
  return new EndpointError(code, `${message} ${again}`);
}

function parse(text: string): StartFailure {
  const unknown = { code: "BROKER_START_FAILED", message: "The last broker failed." } as const;
  try {
    const { code, message } = JSON.parse(text) as Record<string, unknown>;
    if (typeof message !== "string" || message === "") return unknown;
    const known = codes.find((one) => one === code);
    return { code: known ?? unknown.code, message };
  } catch {
    return unknown;
  }
}

/** With these a start fails, and the callers' advice differs by them. */
const codes: readonly EndpointErrorCode[] = [
  "HOME_UNUSABLE",
  "LOCKS_REFUSED",
  "STORE_NEWER",
  "STORE_DAMAGED",
];
