/**
 * How a `peerline` command ends, for scripts. `peerline broker` has codes of its own beside these,
 * which start at 10.
 */
export const ExitCode = {
  ok: 0,
  /** It could not be done; one sentence on stderr says why. */
  failure: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No broker runs, and the command does not start one. */
  noBroker: 3,
  /** Another `peerline read` took over. */
  superseded: 4,
  /** Ended by Ctrl-C before it was done. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Why a command ended without having done what was asked of it. */
export type CliErrorCode =
  /** An argument has a value that cannot be used. */
  | "USAGE"
  /** Nobody reads what is written any more. */
  | "OUTPUT_CLOSED"
  /** The broker's operator token is not in this home. */
  | "NO_OPERATOR_TOKEN"
  /** Some recipients refused the message. */
  | "PARTLY_REFUSED"
  /** Another process reads this peer's messages now. */
  | "SUPERSEDED"
  /** Messages wait and do not come. */
  | "MAIL_WITHHELD"
  /** The broker was told to stop and runs on. */
  | "STILL_RUNNING"
  /** The demo met a result that must not be. */
  | "DEMO_FAILED"
  /** The directory that the command is about was removed. */
  | "NO_PROJECT"
  /** It removes what cannot be brought back, and nobody has agreed to that. */
  | "NOT_CONFIRMED"
  /** What is in the home's place is no home of Peerline's, or another's. */
  | "NOT_OWN_HOME"
  /** No coding agent is on this machine. */
  | "NO_HOST"
  | "INTERRUPTED";

/** The message is whole sentences for people: what is wrong, and how to mend it. */
export class CliError extends Error {
  override readonly name = "CliError";

  constructor(
    readonly code: CliErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  get exitCode(): ExitCode {
    return exitCodes[this.code] ?? ExitCode.failure;
  }
}

const exitCodes: Partial<Record<CliErrorCode, ExitCode>> = {
  USAGE: ExitCode.usage,
  OUTPUT_CLOSED: ExitCode.ok,
  SUPERSEDED: ExitCode.superseded,
  INTERRUPTED: ExitCode.interrupted,
};
