import type { Metadata } from "@grpc/grpc-js";
import { callStreamOf, type ClientConnection } from "./call-stream.js";
import { Code, RpcError } from "./error.js";

/** What a handler knows of its call. */
export interface HandlerContext {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Whether its answer is a stream, which may last. */
  readonly isStream: boolean;
  /**
   * Aborts when the call ends before its handler: the caller cancelled or went away, the deadline
   * passed, or the server stopped. Its reason is an RpcError. A handler that waits has to watch it.
   */
  readonly signal: AbortSignal;
  /** The connection that the call came over, which it shares with other calls of its client. */
  readonly connection: ClientConnection;
  /**
   * Ends the call with an error from outside of its handler, also when the handler waits for a reader
   * that reads nothing: its signal aborts, and no more is written. Nothing where the call has ended.
   */
  end(error: RpcError): void;
  /** The first value of a text header that the caller sent; undefined where there is none. */
  header(name: string): string | undefined;
}

/** What all kinds of calls have in common. */
interface Call {
  readonly metadata: Metadata;
  once(event: "cancelled", listener: () => void): unknown;
}

export class CallContext implements HandlerContext {
  readonly #call: Call;
  readonly #onEnd: () => void;
  readonly isStream: boolean;
  #controller: AbortController | undefined;
  #cancelled: RpcError | undefined;
  #settled = false;
  #ended: RpcError | undefined;

  constructor(
    call: Call,
    readonly method: string,
    /** Of a stream: called when the call is ended from outside of its handler. */
    onEnd?: () => void,
  ) {
    this.#call = call;
    this.#onEnd = onEnd ?? (() => {});
    this.isStream = onEnd !== undefined;
    // Comes at the end of every call, also of those that went well.
    call.once("cancelled", () => this.#cancel());
  }

  /** Made when first asked for: an abort costs a tenth of a short call. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  get connection(): ClientConnection {
    return callStreamOf(this.#call.metadata).connection;
  }

  header(name: string): string | undefined {
    const [value] = this.#call.metadata.get(name);
    return typeof value === "string" ? value : undefined;
  }

  /** Why the call ended before its handler did; undefined while it has not. */
  get cancelled(): RpcError | undefined {
    return this.#cancelled;
  }

  /** The handler is done: the end of the call no longer concerns it. */
  settle(): void {
    this.#settled = true;
  }

  end(error: RpcError): void {
    if (this.#settled || this.#cancelled !== undefined) return;
    this.#ended = error;
    this.#cancelled = error;
    this.#controller?.abort(error);
    this.#onEnd();
  }

  /** Why the call was ended from outside of its handler; undefined while it was not. */
  get ended(): RpcError | undefined {
    return this.#ended;
  }

  #cancel(): void {
    if (this.#settled || this.#cancelled !== undefined) return;
    this.#cancelled = new RpcError(Code.Cancelled, "The call has ended before its handler.");
    this.#controller?.abort(this.#cancelled);
  }
}
