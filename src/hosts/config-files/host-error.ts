import { CodedError } from "../../coded-error.js";

/** Why a host's configuration was left as it is. */
export type HostErrorCode =
  /** The file is not what its host can read. */
  | "CONFIG_BROKEN"
  /** The file is valid, but holds something else where the entry belongs. */
  | "CONFIG_UNEXPECTED"
  /** The file changed while it was being edited. */
  | "CONFIG_CHANGED"
  /** The file cannot be read or written. */
  | "CONFIG_UNUSABLE"
  /** A link on the way to the file leads out of the project's folder. */
  | "LINK_OUTSIDE"
  /** There is an entry of that name which this program did not write, or which was edited since. */
  | "FOREIGN_ENTRY"
  /** This program runs from a folder that will be deleted. */
  | "PROGRAM_FLEETING";

export class HostError extends CodedError<HostErrorCode> {
  override readonly name = "HostError";
}
