import type { EndpointErrorCode } from "./endpoint-error.js";

/** What a broker's process tells the process that started it, once, over their pipe. */
export type StartReport =
  /** It listens on the home's socket. */
  | { readonly state: "listening" }
  /** Another broker holds the home; it listens, or soon will, or is about to end. */
  | { readonly state: "held" }
  | { readonly state: "failed"; readonly code: EndpointErrorCode; readonly message: string };

/** How a broker's process ends, for those who started it. */
export const brokerExit = {
  /** Stopped in good order, or another broker already serves this home. */
  done: 0,
  /** Could not start, or could not stop in good order. */
  failed: 1,
  /** The database was written by a newer version: starting again will not help. */
  storeNewer: 10,
  /** The database is damaged, or none of ours: starting again will not help. */
  storeDamaged: 12,
  /** The engine of the store cannot be used now; starting again may help. */
  storeUnreachable: 13,
  /** A defect: the process ended rather than go on in an unknown state. */
  crashed: 11,
} as const;

/**
 * Says how the start ended: to the process that started this one, if it waits on a pipe, else to a
 * person, as `sentence` on stderr. Neither need be there any more.
 */
export async function reportStart(report: StartReport, sentence: string): Promise<void> {
  if (process.send === undefined) {
    process.stderr.write(`${sentence}\n`);
    return;
  }
  await new Promise<void>((resolve) => {
    process.send?.(report, undefined, undefined, () => resolve());
  });
  if (process.connected) process.disconnect();
}
