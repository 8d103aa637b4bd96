import { setMaxListeners } from "node:events";
import type { ServiceError } from "@grpc/grpc-js";
import { Code, RpcError } from "./error.js";
import { fromStatus } from "./status.js";

export interface Cancellable {
  cancel(): void;
}

/** A call of a client between its start and its end: who on this side may end it, and how its end is told. */
export class RunningCall<Call extends Cancellable = Cancellable> {
  readonly call: Call;
  readonly #release: () => void;
  #interrupted: { reason: unknown } | undefined;

  constructor(call: Call, signal: AbortSignal | undefined, onRelease: () => void) {
    this.call = call;
    const abort = () => this.interrupt(cancelled(signal));
    // Any number of calls may share a signal: each takes its listener away, so that none of them leaks.
    if (signal !== undefined) setMaxListeners(0, signal);
    signal?.addEventListener("abort", abort, { once: true });
    this.#release = () => {
      signal?.removeEventListener("abort", abort);
      onRelease();
    };
  }

  /** Ends the call from this side. What it then fails with is `reason`. */
  interrupt(reason: unknown): void {
    this.#interrupted ??= { reason };
    this.call.cancel();
  }

  throwIfInterrupted(): void {
    if (this.#interrupted !== undefined) throw this.#interrupted.reason;
  }

  /** What to tell the caller when the call has failed with an error of grpc-js or of the bridge. */
  explain(error: unknown): unknown {
    if (this.#interrupted !== undefined) return this.#interrupted.reason;
    if (!isServiceError(error)) return error;
    const told = fromStatus(error, error);
    if (told.code !== Code.Cancelled) return told;
    // A server that shuts down cuts its calls off like this. Nobody here asked for it: the connection is lost.
    return new RpcError(Code.Unavailable, `The call was cut off: ${told.message}`, { cause: told });
  }

  /** Has to be called once, when the call has ended. */
  release(): void {
    this.#release();
  }
}

export function cancelled(signal: AbortSignal | undefined): RpcError {
  return new RpcError(Code.Cancelled, "The call was cancelled.", { cause: signal?.reason });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}
