import { durationMs } from "@bufbuild/protobuf/wkt";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { Closing_Reason, type RegisterResponse } from "../../gen/peerline/v1/broker_service_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../abort-scope.js";
import { BackOff } from "../back-off.js";
import { Pulse } from "../pulse.js";
import type { CallOptions } from "../rpc/client.js";
import { Code, RpcError } from "../rpc/error.js";
import { Attachment, type BrokerClient, type Connection, type Mailbox } from "./attachment.js";
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
import { LineError } from "./line-error.js";

export interface LineOptions {
  /** Finds the broker. Called for each attachment; what it returns is closed with that. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  /** Who the client is to the broker. */
  readonly identity: Identity;
  /** Where deliveries go. */
  readonly mail: Mailbox;
  /** Whether trouble stays until someone fixes it, so that a call does not wait for its end. */
  readonly isLasting: (problem: unknown) => boolean;
  /** Takes one line for whoever looks into the client's log. */
  readonly log: (line: string) => void;
}

/** What the line is at the moment. */
type State =
  | { readonly name: "attaching"; /** Why it is not live. */ readonly problem: unknown }
  | { readonly name: "live"; readonly attachment: Attachment }
  | { readonly name: "ended"; readonly reason: LineError };

/**
 * A client's lasting connection to the broker.
 *
 * It is *attaching* (finding a broker, registering, subscribing), then *live*, and attaching again
 * whenever the stream is lost: at once the first time, then with growing, jittered waits, which a call
 * cuts short. It is *ended* when a newer session of the same client takes over, or when it is
 * closed. A call waits for the line to be live, and is repeated if the connection is lost under it: only
 * calls that the contract lets be repeated may be made.
 */
export class Line implements AsyncDisposable {
  readonly #options: LineOptions;
  readonly #stop = new AbortController();
  readonly #ended = new AbortController();
  readonly #changed = new Pulse();
  readonly #nudged = new Pulse();
  readonly #backOff = new BackOff({ firstMs: minReconnectMs, maxMs: maxReconnectMs });
  readonly #running: Promise<void>;
  #state: State = { name: "attaching", problem: undefined };
  #reach = Reach.STORED;
  /** One after the other. */
  #binding: Promise<void> = Promise.resolve();
  /** The registration with which a binding may move the line. */
  #moving: Promise<RegisterResponse> | undefined;

  /** Begins to attach at once. */
  constructor(options: LineOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  get state(): State["name"] {
    return this.#state.name;
  }

  /** Aborts when the line has ended, with a LineError. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Calls the broker, for at most `callTimeoutMs` in all. Fails with RpcError or LineError. */
  async call<T>(
    run: (client: BrokerClient, options: CallOptions) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#withAttachment(({ client }, signal) => run(client, { signal }), signal);
  }

  /** Resolves when the line is live and what waited has arrived. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.#withAttachment(async () => undefined, signal);
  }

  /**
   * Tells the broker that the host is in this conversation now. Resolves when the line's peer is that
   * conversation's, which may be another than before.
   */
  async bind(conversationId: string): Promise<void> {
    const turn = this.#binding.then(async () => {
      const { identity } = this.#options;
      if (identity.conversationId !== conversationId) await this.#bind(conversationId);
    });
    this.#binding = turn.catch(ignore);
    await turn;
  }

  /** Tells the broker, now and whenever the line attaches, how the client is reached. */
  tellReach(reach: Reach): void {
    this.#reach = reach;
    if (this.#state.name === "live") void this.#tellReach(this.#state.attachment);
  }

  /** Reports what is to report, takes leave of the broker, and ends; within `closeTimeoutMs`. */
  async close(): Promise<void> {
    const attachment = this.#state.name === "live" ? this.#state.attachment : undefined;
    this.#setState({ name: "ended", reason: new LineError("CLOSED", "The line is closed.") });
    const timer = setTimeout(() => this.#stop.abort(), closeTimeoutMs);
    await this.#takeLeave(attachment).catch(ignore);
    clearTimeout(timer);
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Once ended, it stays so. */
  #setState(state: State): void {
    if (this.#state.name === "ended") return;
    this.#state = state;
    if (state.name === "ended") this.#ended.abort(state.reason);
    this.#changed.beat();
  }

  async #tellReach({ client }: Attachment): Promise<void> {
    using telling = new AbortScope([this.#stop.signal], callTimeoutMs);
    // Lost with its attachment; the next one begins with it.
    await client.updatePeer({ reach: this.#reach }, { signal: telling.signal }).catch(ignore);
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      let delayMs: number;
      try {
        delayMs = this.#afterStream(await this.#attach());
      } catch (error) {
        this.#noteProblem(error);
        delayMs = this.#backOff.nextMs(askedDelayMs(error));
      }
      if (this.#ended.signal.aborted) return;
      if (await this.#rest(delayMs)) this.#backOff.reset();
    }
  }

  /** One attachment, from connecting to the end of its stream. */
  async #attach(): Promise<Closing_Reason> {
    const { connect, identity, mail, log } = this.#options;
    const { signal } = this.#stop;
    const connection = await connect(signal);
    try {
      const registration = await identity.register(connection.client, signal);
      mail.belongTo(registration.peer?.peerId ?? "");
      const attachment = new Attachment(connection, registration, mail);
      const reach = this.#reach;
      const onLive = (): void => {
        if (this.state !== "attaching") return;
        log(`connected as ${identity.peer?.name}`);
        this.#backOff.reset();
        this.#setState({ name: "live", attachment });
        if (this.#reach !== reach) this.tellReach(this.#reach);
      };
      return await attachment.follow(onLive, reach, signal);
    } finally {
      if (this.state === "live") this.#setState({ name: "attaching", problem: undefined });
      // A move ends the stream before it is answered.
      await this.#moving?.catch(ignore);
      await connection.close();
    }
  }

  #noteProblem(error: unknown): void {
    if (this.#state.name !== "attaching") return;
    const { problem } = this.#state;
    const line = error instanceof Error ? error.message : String(error);
    const isNews = !(problem instanceof Error && problem.message === line);
    if (isNews) this.#options.log(`not connected: ${line}`);
    this.#setState({ name: "attaching", problem: error });
  }

  /** How long to wait before attaching again; ends the line where it must not. */
  #afterStream(reason: Closing_Reason): number {
    switch (reason) {
      case Closing_Reason.SUPERSEDED:
        // What is held here is the other session's now.
        this.#options.mail.belongTo("");
        this.#setState({ name: "ended", reason: superseded(this.#options.identity) });
        return 0;
      case Closing_Reason.UNREGISTERED:
        return 0;
      case Closing_Reason.STOPPING:
        return this.#backOff.nextMs(stoppedReconnectMs);
      default:
        return this.#backOff.nextMs();
    }
  }

  /** True when a call cut the wait short. */
  async #rest(delayMs: number): Promise<boolean> {
    using rest = new AbortScope([this.#stop.signal], delayMs);
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
    const backOff = new BackOff({ firstMs: minRetryMs, maxMs: maxRetryMs });
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
            await this.#awaitEnd(attachment, backOff.nextMs(), signal);
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
    if (this.#state.name === "attaching") {
      // What was wrong before may be right by now: it is tried again for this call.
      this.#setState({ name: "attaching", problem: undefined });
      this.#nudged.beat();
    }
    for (;;) {
      const state = this.#state;
      if (state.name === "ended") throw state.reason;
      if (state.name === "live") return state.attachment;
      if (this.#options.isLasting(state.problem)) throw unreachable(state.problem);
      await this.#changed.next(signal);
    }
  }

  get #problem(): unknown {
    return this.#state.name === "attaching" ? this.#state.problem : undefined;
  }

  /** Waits until the attachment is the line's no more, or the time is over. */
  async #awaitEnd(attachment: Attachment, ms: number, callSignal: AbortSignal): Promise<void> {
    using waiting = new AbortScope([callSignal], ms);
    const { signal } = waiting;
    const isCurrent = (): boolean =>
      this.#state.name === "live" && this.#state.attachment === attachment;
    while (isCurrent() && !signal.aborted) await this.#changed.next(signal).catch(ignore);
  }

  async #bind(conversationId: string): Promise<void> {
    const { identity, mail } = this.#options;
    await this.#withAttachment(async (attachment, signal) => {
      this.#moving = identity.bind(conversationId, attachment.anonymous, signal);
      const { peer } = await this.#moving;
      if (peer === undefined || peer.peerId === attachment.peerId) return;
      attachment.abandon();
      mail.belongTo(peer.peerId);
      await this.#awaitEnd(attachment, farewellMs, signal);
    }, this.#stop.signal);
  }

  async #takeLeave(attachment: Attachment | undefined): Promise<void> {
    await this.#options.mail.flush();
    await attachment?.client.unregister({}, { signal: this.#stop.signal });
  }
}

function superseded(identity: Identity): LineError {
  const name = identity.peer?.name ?? "this client";
  return new LineError("SUPERSEDED", `A newer session took over ${name}: its mail goes there now.`);
}

function unreachable(cause: unknown): LineError {
  const why = cause instanceof Error ? cause.message : `no answer in ${callTimeoutMs / 1000} s.`;
  return new LineError("UNREACHABLE", `The Peerline broker cannot be reached: ${why}`, { cause });
}

/** How long the broker asked to wait: it makes so many new peers at once, and no more. 0 where it did not. */
function askedDelayMs(error: unknown): number {
  if (!(error instanceof RpcError)) return 0;
  const delay = error.findDetail(RetryInfoSchema)?.retryDelay;
  return delay === undefined ? 0 : Math.min(durationMs(delay), maxAskedDelayMs);
}

function isCode(error: unknown, code: Code): boolean {
  return error instanceof RpcError && error.code === code;
}

function ignore(): void {}
