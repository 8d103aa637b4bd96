/** Why this machine's side of a connection failed: its settings, its home, or its broker. */
export type EndpointErrorCode =
  /** A setting has a value that cannot be used. */
  | "CONFIG_INVALID"
  /** The home cannot be made, or is not private, or is not writable. */
  | "HOME_UNUSABLE"
  /** The file system of the home refuses locks, by which a broker knows that it is alone. */
  | "LOCKS_REFUSED"
  /** The socket's path exceeds what the operating system takes. */
  | "SOCKET_PATH_TOO_LONG"
  /** No broker answers, and none may be started here. */
  | "BROKER_UNREACHABLE"
  /** A broker was started and did not come up. */
  | "BROKER_START_FAILED"
  /** The home's database was written by a newer version than this one. */
  | "STORE_NEWER"
  /** The home's database is damaged, or none of ours. */
  | "STORE_DAMAGED";

/** The message is whole sentences for people: what is wrong, and how to mend it. */
export class EndpointError extends Error {
  override readonly name = "EndpointError";

  constructor(
    readonly code: EndpointErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
