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
