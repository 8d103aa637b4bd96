import { Client, credentials } from "@grpc/grpc-js";
import { Code, RpcError } from "./error.js";
import {
  keepaliveTimeMs,
  keepaliveTimeoutMs,
  maxMessageBytes,
  maxReconnectDelayMs,
  minReconnectDelayMs,
} from "./limits.js";
import { cancelled, RunningCall, type Cancellable } from "./running-call.js";

/**
 * The way to one server. It connects with the first call, and again after a loss with the next one. It
 * may hold the process open until it is closed.
 */
export class Channel implements Disposable {
  readonly #client: Client;
  readonly #running = new Set<RunningCall>();
  #closed = false;

  /** @param address `unix:/path` or `host:port`. */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.max_send_message_length": maxMessageBytes,
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.keepalive_time_ms": keepaliveTimeMs,
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
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function channelClosed(): RpcError {
  return new RpcError(Code.Cancelled, "The channel is closed.");
}
