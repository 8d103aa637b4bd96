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
