import { setMaxListeners } from "node:events";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { systemClock } from "../clock.js";
import { Code, RpcError } from "./error.js";
import {
  closeGraceMs,
  keepaliveTimeMs,
  keepaliveTimeoutMs,
  maxMessageBytes,
  maxReconnectDelayMs,
  minReconnectDelayMs,
} from "./limits.js";
import { fromStatus } from "./status.js";
import { tlsWay, type TlsClient, type Way } from "./tls-client.js";

/**
 * The way to one server. It connects with the first call, and again after a loss with the next one. It
 * may hold the process open until it is closed.
 */
export class Channel implements Disposable {
  readonly #client: Client;
  readonly #running = new Set<RunningCall>();
  readonly #abandoned = new AbortController();
  #closed = false;

  /**
   * @param address `unix:/path` or `host:port`.
   * @param tls without which nothing is encrypted.
   */
  constructor(address: string, tls?: TlsClient) {
    const way =
      tls === undefined ? plainWay(address) : tlsWay(address, tls, this.#abandoned.signal);
    this.#client = new Client(way.target, way.credentials, {
      "grpc.keepalive_time_ms": keepaliveTimeMs,
      ...way.options,
      "grpc.max_send_message_length": maxMessageBytes,
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
      "grpc.initial_reconnect_backoff_ms": minReconnectDelayMs,
      "grpc.max_reconnect_backoff_ms": maxReconnectDelayMs,
      // A proxy in the environment is meant for the web and cannot reach 127.0.0.1.
      "grpc.enable_http_proxy": 0,
      // Else two channels to one address share a connection and its back-off.
      "grpc.use_local_subchannel_pool": 1,
      // Else each host name is also asked for as a TXT record.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_channelz": 0,
    });
  }

  /**
   * Starts a call, which ends with CANCELLED when `signal` aborts or the channel is closed, unless it has
   * ended before. It has to be released when it has ended.
   */
  start<Call extends Cancellable>(
    signal: AbortSignal | undefined,
    begin: (client: Client) => Call,
  ): RunningCall<Call> {
    if (this.#closed) throw channelClosed();
    if (signal?.aborted) throw cancelled(signal);
    const running = new RunningCall(begin(this.#client), signal, () =>
      this.#running.delete(running),
    );
    this.#running.add(running);
    return running;
  }

  /** Ends the calls that run, which grpc-js would let go on, and the connection. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of this.#running) call.interrupt(channelClosed());
    this.#client.close();
    // Until then a connection may end in good order.
    systemClock.after(closeGraceMs, () => this.#abandoned.abort());
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function plainWay(target: string): Way {
  return { target, credentials: credentials.createInsecure(), options: {} };
}

function channelClosed(): RpcError {
  return new RpcError(Code.Cancelled, "The channel is closed.");
}

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
    // A server that shuts down cancels its calls. Nobody here asked for it: the connection is lost.
    if (told.code !== Code.Cancelled && !isOfLostSession(told)) return told;
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

/**
 * Whether HTTP/2 ended the whole connection, such as for too many cancelled calls, which grpc-js tells each call as
 * INTERNAL. An error of the server's own has details, or other words.
 */
function isOfLostSession({ code, details, message }: RpcError): boolean {
  return (
    code === Code.Internal && details.length === 0 && /client error: Session closed/.test(message)
  );
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}
