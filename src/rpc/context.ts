import type { Metadata } from "@grpc/grpc-js";
import { callStreamOf } from "./call-stream.js";
import type { Connection } from "./connection.js";
import { Code, RpcError } from "./error.js";

/** What a handler knows of its call. */
export interface HandlerContext {
  /** `/package.Service/Method`. */
  readonly method: string;
  /**
   * Aborts when the call ends before its handler: the caller cancelled or went away, the deadline
   * passed, or the server stopped. Its reason is an RpcError. A handler that waits has to watch it.
   */
  readonly signal: AbortSignal;
  /** The connection that the call came over, which it shares with other calls of its client. */
  readonly connection: Connection;
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
  #controller: AbortController | undefined;
  #cancelled: RpcError | undefined;
  #settled = false;

  constructor(
    call: Call,
    readonly method: string,
  ) {
    this.#call = call;
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

  get connection(): Connection {
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

  #cancel(): void {
    if (this.#settled) return;
    this.#cancelled = new RpcError(Code.Cancelled, "The call has ended before its handler.");
    this.#controller?.abort(this.#cancelled);
  }
}
