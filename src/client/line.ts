import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { v7 as uuidv7 } from "uuid";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import {
  Closing_Reason,
  type RegisterResponse,
  type SendMessageResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { Reach, type Peer } from "../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../abort-scope.js";
import { BackOff } from "../back-off.js";
import { Pulse } from "../pulse.js";
import type { CallOptions } from "../rpc/client.js";
import { Code, hasCode, RpcError } from "../rpc/error.js";
import { Attachment } from "./attachment.js";
import type { BrokerClient } from "./broker-client.js";
import {
  defaultCallTimeoutMs,
  defaultCloseTimeoutMs,
  farewellMs,
  maxAskedDelayMs,
  maxDoubtMs,
  maxReconnectMs,
  maxRetryMs,
  minReconnectMs,
  minRetryMs,
  stoppedReconnectMs,
} from "./limits.js";
import { LineError, superseded, unreachable } from "./line-error.js";
import { checkSend, type LineOptions, type ReadOptions, type SendOptions } from "./line-options.js";
import type { Mail } from "./mail.js";
import { readMessages, type IncomingMessage } from "./messages.js";

export type LineState = State["name"];

/** What the line is at the moment. */
type State =
  | { readonly name: "attaching"; /** Why it is not live. */ readonly problem: unknown }
  | { readonly name: "live"; readonly attachment: Attachment }
  | { readonly name: "ended"; readonly reason: LineError };

/**
 * A client's lasting connection to the broker.
 *
 * It is *attaching* (finding a broker, registering, subscribing if it receives), then *live*. It is attaching
 * again whenever the connection is lost: at once the first time, then with growing, jittered waits. A call
 * cuts them short. It is *ended* when a newer session of the same client takes over, or when it is closed.
 * A call waits for the line to be live, and is repeated if the connection is lost under it. So only calls
 * that the contract lets be repeated may be made.
 *
 * After a call that a remote broker left without an answer, the line is in doubt. The next call then waits briefly
 * for a sign of life, and has its whole time only after that.
 *
 * A line that does not receive has no stream, and learns with its next call that the connection was lost.
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
  #wasLive = false;
  /** Why the last call got no answer; undefined where nothing is in doubt. */
  #doubt: unknown;
  /** Where the broker answered last, for people. */
  #endpoint = "";
  /** The trouble that stands last in the log, since the line was live. */
  #toldProblem = "";
  #closing: Promise<void> | undefined;
  #receives: boolean;
  #reach = Reach.STORED;
  /** The reach is about to be told. */
  #tellsReach = false;
  /** One after the other. */
  #binding: Promise<void> = Promise.resolve();
  /** The registration with which a binding may move the line. */
  #moving: Promise<RegisterResponse> | undefined;

  /** Begins to attach at once. */
  constructor(options: LineOptions) {
    this.#options = options;
    this.#receives = options.receives;
    this.#running = this.#run();
  }

  get state(): LineState {
    return this.#state.name;
  }

  /** The peer that the client is, as last heard of; undefined before the line was first live. */
  get peer(): Peer | undefined {
    return this.#options.identity.peer;
  }

  /** For clients that show messages in their own way. */
  get mail(): Mail {
    return this.#options.mail;
  }

  /** Aborts when the line has ended, with a LineError. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Sends a message once, even if the broker is lost meanwhile. Resolves when the broker has stored it,
   * to its state for each recipient. Of several recipients, some may refuse it (`results[n].error`).
   *
   * @param to a peer's name or id, or 1 to 256 of them
   * @param text 1 to 16,384 bytes of UTF-8
   * @throws RpcError where the broker refuses it; LineError UNREACHABLE where it did not answer in time; the
   * signal's reason. After the latter two the message may be stored: the same `messageId` sends it no second time
   */
  async send(
    to: string | readonly string[],
    text: string,
    options: SendOptions = {},
  ): Promise<SendMessageResponse> {
    checkSend(options);
    const { signal, expiresInMs, messageId = uuidv7(), ...rest } = options;
    const expiresIn = expiresInMs === undefined ? {} : { expiresIn: durationFromMs(expiresInMs) };
    const request = { ...rest, ...expiresIn, to: [to].flat(), text, messageId };
    return this.call((client, options) => client.sendMessage(request, options), signal);
  }

  /**
   * The messages to this client, oldest first, for `for await`: those that wait and, unless `waits` is
   * false, those that come. Leaving the body confirms its message. A throw returns it, and so do `break`
   * and `return`, which look the same to a generator. It then comes again after a while, marked
   * `redelivered`, and after 5 attempts it is dead-lettered. Several loops share the messages.
   *
   * @throws LineError SUPERSEDED where another process reads as this peer now; UNREACHABLE where the broker
   * cannot be reached until someone fixes that. Where `waits` is false, WITHHELD when messages that wait do
   * not come. A broker that is lost is waited for
   */
  messages({ waits = true, signal }: ReadOptions = {}): AsyncGenerator<IncomingMessage, void> {
    return readMessages(this, { waits, signal });
  }

  /**
   * Calls the broker, for at most the time of a call in all. @throws RpcError, LineError, or the signal's reason
   */
  async call<T>(
    run: (client: BrokerClient, options: CallOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#withAttachment(({ client }, signal) => run(client, { signal }), signal);
  }

  /** Resolves when the line is live and what waited has arrived. */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.#withAttachment(async () => undefined, signal);
  }

  /** Resolves, when the line is live, to whether what waited when it subscribed has come, which may take longer. */
  async hasCaughtUp(signal?: AbortSignal): Promise<boolean> {
    return this.#withAttachment(async ({ hasCaughtUp }) => hasCaughtUp, signal);
  }

  /** Subscribes, if it has not yet: a line that is live attaches anew for that. */
  receive(reach: Reach): void {
    this.tellReach(reach);
    if (this.#receives) return;
    this.#receives = true;
    this.#setState({ name: "attaching", problem: undefined });
  }

  /** Resolves when the state has changed. @throws LineError where waiting is of no use; the signal's reason */
  async nextChange(signal: AbortSignal): Promise<void> {
    this.#requireHope();
    await this.#changed.next(signal);
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
    this.#binding = turn.catch(() => {});
    await turn;
  }

  /** Tells the broker, now and whenever the line attaches, how the client is reached. */
  tellReach(reach: Reach): void {
    if (this.#reach === reach) return;
    this.#reach = reach;
    // What ends a wait has its answer to write first.
    if (this.#tellsReach) return;
    this.#tellsReach = true;
    setImmediate(() => {
      this.#tellsReach = false;
      if (this.#state.name === "live") void this.#tellReach(this.#state.attachment);
    });
  }

  /**
   * Reports what is to report, takes leave of the broker if it received, and ends; within `closeTimeoutMs`.
   * What was not confirmed goes to the client's next session. Idempotent.
   */
  async close(): Promise<void> {
    await (this.#closing ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const attachment = this.#state.name === "live" ? this.#state.attachment : undefined;
    this.#setState({ name: "ended", reason: new LineError("CLOSED", "The line is closed.") });
    const { clock, closeTimeoutMs = defaultCloseTimeoutMs } = this.#options;
    const overdue = clock.after(closeTimeoutMs, () => this.#stop.abort());
    await this.#takeLeave(attachment).catch(() => {});
    overdue[Symbol.dispose]();
    this.#stop.abort();
    await this.#running;
  }

  /** Once ended, it stays so. */
  #setState(state: State): void {
    if (this.#state.name === "ended") return;
    const isNew = this.#state.name !== state.name;
    this.#state = state;
    if (state.name === "live") {
      this.#wasLive = true;
      this.#doubt = undefined;
      this.#toldProblem = "";
    }
    if (state.name === "ended") this.#ended.abort(state.reason);
    if (isNew) callOut(this.#options.onState, state.name);
    this.#changed.beat();
  }

  get #callTimeoutMs(): number {
    return this.#options.callTimeoutMs ?? defaultCallTimeoutMs;
  }

  async #tellReach({ client }: Attachment): Promise<void> {
    using telling = new AbortScope([this.#stop.signal], this.#callTimeoutMs);
    // Lost with its attachment; the next one begins with it.
    await client.updatePeer({ reach: this.#reach }, { signal: telling.signal }).catch(() => {});
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
    const { connect, identity, mail, clock, log } = this.#options;
    const { signal } = this.#stop;
    const connection = await connect(signal);
    this.#endpoint = connection.endpoint;
    try {
      const registration = await identity.register(connection.client, signal);
      mail.belongTo(registration.peer?.peerId ?? "");
      const attachment = new Attachment({ connection, registration, mail, clock });
      let reach = this.#reach;
      const onLive = (): void => {
        if (this.state !== "attaching") return;
        callOut(log, `connected as ${identity.peer?.name}`);
        this.#backOff.reset();
        this.#setState({ name: "live", attachment });
        if (this.#reach !== reach) void this.#tellReach(attachment);
      };
      if (!this.#receives) {
        onLive();
        using idle = new AbortScope([signal, attachment.abandoned]);
        while (!this.#receives && !idle.signal.aborted) {
          await this.#changed.next(idle.signal).catch(() => {});
        }
        if (idle.signal.aborted) return Closing_Reason.UNSPECIFIED;
      }
      reach = this.#reach;
      return await attachment.follow(onLive, reach, signal);
    } finally {
      if (this.state === "live") this.#setState({ name: "attaching", problem: undefined });
      // A move ends the stream before it is answered.
      await this.#moving?.catch(() => {});
      await connection.close();
    }
  }

  #noteProblem(error: unknown): void {
    if (this.#state.name !== "attaching") return;
    const line = error instanceof Error ? error.message : String(error);
    if (line !== this.#toldProblem) callOut(this.#options.log, `not connected: ${line}`);
    this.#toldProblem = line;
    this.#setState({ name: "attaching", problem: error });
  }

  /** How long to wait before attaching again; ends the line where it must not. */
  #afterStream(reason: Closing_Reason): number {
    switch (reason) {
      case Closing_Reason.SUPERSEDED:
        // What is held here is the other session's now.
        this.#options.mail.belongTo("");
        this.#setState({ name: "ended", reason: superseded(this.#options.identity.peer?.name) });
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
    callSignal?: AbortSignal,
  ): Promise<T> {
    using calling = new AbortScope(callSignal ? [callSignal] : [], this.#callTimeoutMs);
    const { signal } = calling;
    const backOff = new BackOff({ firstMs: minRetryMs, maxMs: maxRetryMs });
    let isRenewed = false;
    let lost: unknown;
    try {
      for (;;) {
        const attachment = await this.#live(signal);
        try {
          if (this.#doubt !== undefined) await this.#askForLife(attachment, signal);
          return await run(attachment, signal);
        } catch (error) {
          signal.throwIfAborted();
          lost = hasCode(error, Code.Cancelled) ? "the connection was lost." : error;
          if (hasCode(error, Code.Unauthenticated) && !(isRenewed && this.#receives)) {
            // The token is void. Its stream says why: taken over, or only lost. A client that only sends shares
            // its session with others of its kind, each of which may end it.
            isRenewed = true;
            if (!this.#receives) attachment.abandon();
            await this.#awaitEnd(attachment, farewellMs, signal);
            attachment.abandon();
          } else if (hasCode(error, Code.Unavailable) || hasCode(error, Code.Cancelled)) {
            // Cancelled, with nobody having asked for it: the stream was lost first, and the channel closed.
            if (!this.#receives) attachment.abandon();
            await this.#awaitEnd(attachment, backOff.nextMs(), signal);
          } else {
            throw error;
          }
        }
      }
    } catch (error) {
      callSignal?.throwIfAborted();
      const failure = signal.aborted ? unreachable(this.#problem ?? lost ?? this.#silence) : error;
      const isUnreached = failure instanceof LineError && failure.code === "UNREACHABLE";
      if (isUnreached && this.#options.isRemote?.() === true) this.#doubt = failure.cause;
      throw failure;
    }
  }

  /** What a call without an answer says. */
  get #silence(): string {
    const from = this.#endpoint === "" ? "" : ` from ${this.#endpoint}`;
    return `no answer in ${this.#callTimeoutMs / 1000} s${from}.`;
  }

  /** Gives the attachment up, and throws, where its broker shows no life. */
  async #askForLife(attachment: Attachment, signal: AbortSignal): Promise<void> {
    try {
      await attachment.anonymous.getServerInfo({}, { signal, timeoutMs: maxDoubtMs });
      this.#doubt = undefined;
    } catch (error) {
      if (signal.aborted || !hasCode(error, Code.DeadlineExceeded)) throw error;
      attachment.abandon();
      throw unreachable(this.#doubt);
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
      this.#requireHope();
      if (this.#doubt === undefined) await this.#changed.next(signal);
      else await this.#awaitLife(this.#doubt, signal);
    }
  }

  /** Resolves with the next change, which a line in doubt does not wait long for. */
  async #awaitLife(doubt: unknown, callSignal: AbortSignal): Promise<void> {
    using waiting = new AbortScope([callSignal], maxDoubtMs);
    try {
      await this.#changed.next(waiting.signal);
    } catch (error) {
      throw waiting.isTimeUp ? unreachable(this.#problem ?? doubt) : error;
    }
  }

  /** Throws where waiting for the line to be live is of no use. */
  #requireHope(): void {
    const problem = this.#problem;
    if (problem === undefined || !this.#options.isLasting(problem, this.#wasLive)) return;
    throw unreachable(problem);
  }

  get #problem(): unknown {
    return this.#state.name === "attaching" ? this.#state.problem : undefined;
  }

  /** Waits until the line has left the attachment, or the time is over. */
  async #awaitEnd(attachment: Attachment, ms: number, callSignal: AbortSignal): Promise<void> {
    using waiting = new AbortScope([callSignal], ms);
    const { signal } = waiting;
    const isCurrent = (): boolean =>
      this.#state.name === "live" && this.#state.attachment === attachment;
    while (isCurrent() && !signal.aborted) await this.#changed.next(signal).catch(() => {});
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
    // The session of a client that only sends may be shared with others of its kind.
    if (this.#receives) await attachment?.client.unregister({}, { signal: this.#stop.signal });
  }
}

/** Calls a function of the line's user. What it throws goes to the process as uncaught, and does not end the line. */
function callOut<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** How long the broker asked to wait, for example because too much was sent. 0 if it did not ask. */
export function askedDelayMs(error: unknown): number {
  if (!(error instanceof RpcError)) return 0;
  const delay = error.findDetail(RetryInfoSchema)?.retryDelay;
  return delay === undefined ? 0 : Math.min(durationMs(delay), maxAskedDelayMs);
}
