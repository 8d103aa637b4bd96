import { CodedError } from "../coded-error.js";

export type LineErrorCode =
  /** The broker was not reached, or did not answer in time; `cause` says why, where that is known. */
  | "UNREACHABLE"
  /** A newer session of the same client took the peer over. */
  | "SUPERSEDED"
  /** Messages wait at the broker and do not come. */
  | "WITHHELD"
  /** The line was closed. */
  | "CLOSED";

/** Why a line cannot do what it was asked. */
export class LineError extends CodedError<LineErrorCode> {
  override readonly name = "LineError";
}

/** @param name the peer that the client was */
export function superseded(name = "this client"): LineError {
  return new LineError("SUPERSEDED", `A newer session took over ${name}: its mail goes there now.`);
}

export function unreachable(cause: unknown): LineError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LineError("UNREACHABLE", `The Peerline broker cannot be reached: ${why}`, { cause });
}
