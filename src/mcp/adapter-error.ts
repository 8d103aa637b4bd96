export type AdapterErrorCode =
  /** A call's parameters cannot be used. */
  | "BAD_PARAMETER"
  /** The broker refused the call. */
  | "REFUSED"
  /** The host has gone on to another conversation while the call was under way. */
  | "MOVED";

/** Why a tool cannot do what it was asked. The message is for the model: what is wrong, and the mend. */
export class AdapterError extends Error {
  override readonly name = "AdapterError";

  constructor(
    readonly code: AdapterErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
