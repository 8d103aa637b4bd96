import { durationMs } from "@bufbuild/protobuf/wkt";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { Closing_Reason, type RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../abort-scope.js";
import type { Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { otherVersion } from "../endpoint/other-version.js";
import type { CallOptions } from "../rpc/client.js";
import { Code, RpcError } from "../rpc/error.js";
import { AdapterError } from "./adapter-error.js";
import { Attachment, type BrokerClient } from "./attachment.js";
import type { Identity } from "./identity.js";
import {
  callTimeoutMs,
  closeTimeoutMs,
  farewellMs,
  maxAskedDelayMs,
  maxReconnectMs,
  maxRetryMs,
  minReconnectMs,
  minRetryMs,
  stoppedReconnectMs,
} from "./limits.js";
import type { Mail } from "./mail.js";
import { Pulse } from "./pulse.js";

/**
 * The agent's line to the broker.
 *
 * It is *attaching* (finding a broker, registering, subscribing), then *live*, and attaching again
 * whenever the stream is lost: at once the first time, then with growing, jittered waits, which a call
 * cuts short. It is *ended* when a newer session of the same conversation takes over, or when it is
 * closed. A call waits for the session to be live, and is repeated if the connection is lost under it:
 * every call of the contract that tools make may be.
 */
export class Session implements AsyncDisposable {
  readonly #config: Config;
  readonly #program: string;
  readonly #identity: Identity;
  readonly #mail: Mail;
  readonly #log: (line: string) => void;
  readonly #stop = new AbortController();
  readonly #ended = new AbortController();
  readonly #changed = new Pulse();
  readonly #nudged = new Pulse();
  readonly #running: Promise<void>;
  #attachment: Attachment | undefined;
  #reach = Reach.STORED;
  #problem: unknown;
  /** The broker's, as last heard. */
  #notedVersion: string | undefined;
  /** One after the other. */
  #binding: Promise<void> = Promise.resolve();
  /** The registration with which a binding may move the session. */
  #moving: Promise<RegisterResponse> | undefined;

  /** Begins to attach at once. */
  constructor(options: {
    config: Config;
    program: string;
    identity: Identity;
    mail: Mail;
    log: (line: string) => void;
  }) {
    this.#config = options.config;
    this.#program = options.program;
    this.#identity = options.identity;
    this.#mail = options.mail;
    this.#log = options.log;
    this.#running = this.#run();
  }

  /** Aborts when the session has ended, with an AdapterError. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Calls the broker, for at most `callTimeoutMs` in all. Fails with RpcError or AdapterError. */
  async call<T>(
    run: (client: BrokerClient, options: CallOptions) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#withAttachment(({ client }, signal) => run(client, { signal }), signal);
  }

  /** Resolves when the session is live and what waited has arrived. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#withAttachment(async () => undefined, signal);
  }

  /**
   * Tells the broker that the host is in this conversation now. Resolves when the session is that
   * conversation's, which may have moved it to another peer.
   */
  async bind(conversationId: string): Promise<void> {
    const turn = this.#binding.then(async () => {
      if (this.#identity.conversationId !== conversationId) await this.#bind(conversationId);
    });
    this.#binding = turn.catch(ignore);
    await turn;
  }

  /** Tells the broker, now and whenever the session attaches, how the agent is reached. */
  tellReach(reach: Reach): void {
    this.#reach = reach;
    if (this.#attachment !== undefined) void this.#tellReach(this.#attachment);
  }

  /** Reports what is to report, takes leave of the broker, and ends; within `closeTimeoutMs`. */
  async close(): Promise<void> {
    this.#end(new AdapterError("CLOSED", "The Peerline server is ending."));
    const timer = setTimeout(() => this.#stop.abort(), closeTimeoutMs);
    await this.#takeLeave().catch(ignore);
    clearTimeout(timer);
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #tellReach({ client }: Attachment): Promise<void> {
    using telling = new AbortScope([this.#stop.signal], callTimeoutMs);
    // Lost with its attachment; the next one begins with it.
    await client.updatePeer({ reach: this.#reach }, { signal: telling.signal }).catch(ignore);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#ended.signal.aborted) {
      let delayMs: number;
      try {
        const reason = await this.#attach(() => (failures = 0));
        delayMs = this.#afterStream(reason);
      } catch (error) {
        this.#noteProblem(error);
        const backOffMs = Math.min(minReconnectMs * 2 ** failures++, maxReconnectMs);
        delayMs = Math.max(backOffMs, askedDelayMs(error));
      }
      if (this.#ended.signal.aborted) return;
      const wasNudged = await this.#rest(delayMs);
      if (wasNudged) failures = 0;
    }
  }

  /** One attachment, from connecting to the end of its stream. */
  async #attach(onLive: () => void): Promise<Closing_Reason> {
    const { signal } = this.#stop;
    const config = this.#config;
    const start = config.ownsBroker;
    const connection = await connectBroker({
      config,
      program: this.#program,
      start,
      paced: true,
      signal,
    });
    this.#noteVersion(connection.info.version);
    try {
      const registration = await this.#identity.register(connection.client, signal);
      this.#mail.belongTo(registration.peer?.peerId ?? "");
      const attachment = new Attachment(connection, registration, this.#mail);
      const reach = this.#reach;
      return await attachment.follow(
        () => {
          if (this.#attachment === attachment) return;
          this.#attachment = attachment;
          this.#problem = undefined;
          this.#log(`connected to ${this.#config.endpoint} as ${this.#identity.peer?.name}`);
          onLive();
          this.#changed.beat();
          if (this.#reach !== reach) this.tellReach(this.#reach);
        },
        reach,
        signal,
      );
    } finally {
      this.#attachment = undefined;
      this.#changed.beat();
      // A move ends the stream before it is answered.
      await this.#moving?.catch(ignore);
      await connection.close();
    }
  }

  /** Tells of a broker of another version, once. It is left alone: others use it too. */
  #noteVersion(version: string): void {
    if (version === this.#notedVersion) return;
    this.#notedVersion = version;
    const { ownsBroker } = this.#config;
    const other = otherVersion(version, { ownsBroker, self: "peerline" });
    if (other !== undefined) this.#log(`${other.seen}: ${other.mend}`);
  }

  #noteProblem(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const line = error instanceof Error ? error.message : String(error);
    const isNews = !(this.#problem instanceof Error && this.#problem.message === line);
    if (isNews) this.#log(`not connected: ${line}`);
    this.#problem = error;
    this.#changed.beat();
  }

  /** How long to wait before attaching again, at most; ends the session where it must not. */
  #afterStream(reason: Closing_Reason): number {
    switch (reason) {
      case Closing_Reason.SUPERSEDED:
        // What is held here is the other session's now.
        this.#mail.belongTo("");
        this.#end(superseded(this.#identity.peer?.name ?? "this agent"));
        return 0;
      case Closing_Reason.UNREGISTERED:
        return 0;
      case Closing_Reason.STOPPING:
        return stoppedReconnectMs;
      default:
        return minReconnectMs;
    }
  }

  /**
   * Waits half the time or more, at random, so that many adapters do not return at once. True when a
   * call cut the wait short.
   */
  async #rest(delayMs: number): Promise<boolean> {
    const jitteredMs = Math.ceil(delayMs * (0.5 + Math.random() / 2));
    using rest = new AbortScope([this.#stop.signal], jitteredMs);
    return await this.#nudged.next(rest.signal).then(
      () => true,
      () => false,
    );
  }

  async #withAttachment<T>(
    run: (attachment: Attachment, signal: AbortSignal) => Promise<T>,
    callSignal: AbortSignal,
  ): Promise<T> {
    using calling = new AbortScope([callSignal], callTimeoutMs);
    const { signal } = calling;
    let retryMs = minRetryMs;
    let renewed = false;
    let lost: unknown;
    try {
      for (;;) {
        const attachment = await this.#live(signal);
        try {
          return await run(attachment, signal);
        } catch (error) {
          signal.throwIfAborted();
          lost = error;
          if (isCode(error, Code.Unauthenticated) && !renewed) {
            // The token is void. Its stream says why: taken over, or only lost.
            renewed = true;
            await this.#awaitEnd(attachment, farewellMs, signal);
            attachment.abandon();
          } else if (isCode(error, Code.Unavailable) || isCode(error, Code.Cancelled)) {
            // Cancelled, with nobody having asked for it: the stream was lost first, and the channel closed.
            await this.#awaitEnd(attachment, retryMs, signal);
            retryMs = Math.min(2 * retryMs, maxRetryMs);
          } else {
            throw error;
          }
        }
      }
    } catch (error) {
      callSignal.throwIfAborted();
      if (!signal.aborted) throw error;
      throw unreachable(this.#problem ?? lost);
    }
  }

  /** The attachment, once there is one. */
  async #live(signal: AbortSignal): Promise<Attachment> {
    if (this.#attachment === undefined) {
      this.#problem = undefined;
      this.#nudged.beat();
    }
    for (;;) {
      this.#ended.signal.throwIfAborted();
      if (this.#attachment !== undefined) return this.#attachment;
      if (this.#isLasting(this.#problem)) throw unreachable(this.#problem);
      await this.#changed.next(signal);
    }
  }

  /** Trouble that stays until someone mends it: with the settings, the home, or a broker of another's. */
  #isLasting(problem: unknown): boolean {
    if (!(problem instanceof EndpointError)) return false;
    return problem.code !== "BROKER_UNREACHABLE" || !this.#config.ownsBroker;
  }

  /** Waits until the attachment is the session's no more, or the time is over. */
  async #awaitEnd(attachment: Attachment, ms: number, callSignal: AbortSignal): Promise<void> {
    using waiting = new AbortScope([callSignal], ms);
    const { signal } = waiting;
    while (this.#attachment === attachment && !signal.aborted) {
      await this.#changed.next(signal).catch(ignore);
    }
  }

  async #bind(conversationId: string): Promise<void> {
    await this.#withAttachment(async (attachment, signal) => {
      this.#moving = this.#identity.bind(conversationId, attachment.anonymous, signal);
      const { peer } = await this.#moving;
      if (peer === undefined || peer.peerId === attachment.peerId) return;
      attachment.abandon();
      this.#mail.belongTo(peer.peerId);
      await this.#awaitEnd(attachment, farewellMs, signal);
    }, this.#stop.signal);
  }

  async #takeLeave(): Promise<void> {
    await this.#mail.flush();
    await this.#attachment?.client.unregister({}, { signal: this.#stop.signal });
  }

  #end(error: AdapterError): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(error);
    this.#changed.beat();
  }
}

function superseded(name: string): AdapterError {
  return new AdapterError(
    "SUPERSEDED",
    `A newer session of this conversation took over ${name}: its mail goes there. Tell your user: restarting this MCP server takes it back.`,
  );
}

function unreachable(cause: unknown): AdapterError {
  const why = cause instanceof Error ? cause.message : `no answer in ${callTimeoutMs / 1000} s.`;
  return new AdapterError("UNREACHABLE", `The Peerline broker cannot be reached: ${why}`, {
    cause,
  });
}

/** How long the broker asked to wait: it makes so many new peers at once, and no more. 0 where it did not. */
function askedDelayMs(error: unknown): number {
  if (!(error instanceof RpcError)) return 0;
  const delay = error.findDetail(RetryInfoSchema)?.retryDelay;
  // At least half of it is waited.
  return delay === undefined ? 0 : Math.min(2 * durationMs(delay), maxAskedDelayMs);
}

function isCode(error: unknown, code: Code): boolean {
  return error instanceof RpcError && error.code === code;
}

function ignore(): void {}
