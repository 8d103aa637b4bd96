import { CliError } from "./cli-error.js";

/** From its making to its disposal, Ctrl-C and SIGTERM abort the signal and no longer end the process. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

export function catchInterruption(): Interruption {
  const controller = new AbortController();
  const abort = () => controller.abort(new CliError("INTERRUPTED", "Interrupted."));
  for (const name of signals) process.on(name, abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, abort);
    },
  };
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
