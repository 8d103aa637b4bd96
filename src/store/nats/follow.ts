import {
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
} from "@nats-io/jetstream";
import { BackOff } from "../../back-off.js";
import { sleep, systemClock } from "../../clock.js";
import type { Link } from "./connect.js";
import { rootOf } from "./link-error.js";
import {
  consumerExpiresMs,
  consumerHeartbeatMs,
  consumerInactiveMs,
  consumerSilenceMs,
  firstFollowWaitMs,
  lossProofMs,
  maxFollowWaitMs,
  replayTimeoutMs,
} from "./limits.js";

export type { JsMsg } from "@nats-io/jetstream";

/** Which messages of a stream. */
interface Following {
  readonly link: Link;
  readonly stream: string;
  /** The sequence of the last one that is known: what comes after it is told. */
  readonly after: number;
  /** Without the messages' bodies. */
  readonly headersOnly?: boolean;
}

/**
 * Tells each message that the stream has now after `after`, in its order. Rejects where the engine does not
 * answer for long.
 */
export async function replay(
  following: Following,
  tell: (message: JsMsg) => void,
): Promise<{ lastSeq: number }> {
  const { link, stream } = following;
  const { state } = await link.manager.streams.info(stream);
  const lastSeq = Math.max(state.last_seq, following.after);
  if (state.messages === 0 || state.last_seq <= following.after) return { lastSeq };
  const { messages, remove } = await consume(following);
  const timer = setTimeout(() => messages.stop(), replayTimeoutMs);
  try {
    for await (const message of messages) {
      timer.refresh();
      if (message.seq <= lastSeq) tell(message);
      if (message.seq >= lastSeq || message.info.pending === 0) return { lastSeq };
    }
  } finally {
    clearTimeout(timer);
    messages.stop();
    remove();
  }
  throw new Error(`the stream ${stream} ended while it was read`);
}

/**
 * Tells each message that comes, each once and in order, through elections and losses, until it is closed.
 *
 * The client starts a consumer anew where it misses a message. It does not where the server is gone that has
 * the consumer: no heartbeat comes any more, and nothing else. So whoever is silent too long is left.
 *
 * Servers that lost their power may have lost the last of what they stored, and give its sequences to other
 * messages. So before each consumer it is looked whether what was told is there still. Where it is not, for
 * `lossProofMs`, `onLost` is called, once, and nothing is told any more. Without `onLost` it is not looked. A server that is cut off from the others
 * answers with old values, for less long than that.
 */
export class Follower implements AsyncDisposable {
  readonly #following: Following;
  readonly #tell: (message: JsMsg) => void;
  readonly #onTrouble: (error: unknown) => void;
  readonly #onLost: (() => void) | undefined;
  readonly #closing = new AbortController();
  readonly #done: Promise<void>;
  #messages: ConsumerMessages | undefined;
  #lastSeq: number;
  /** Of the last message that was told. */
  #lastSubject: string | undefined;
  #created: string | undefined;
  /** Since when it looks as if messages were lost. */
  #lossMs: number | undefined;

  constructor(
    following: Following,
    tell: (message: JsMsg) => void,
    { onTrouble, onLost }: { onTrouble: (error: unknown) => void; onLost?: () => void },
  ) {
    this.#following = following;
    this.#lastSeq = following.after;
    this.#tell = tell;
    this.#onTrouble = onTrouble;
    this.#onLost = onLost;
    this.#done = this.#run();
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("closed"));
    this.#messages?.stop();
    await this.#done;
  }

  async #run(): Promise<void> {
    const waits = new BackOff({ firstMs: firstFollowWaitMs, maxMs: maxFollowWaitMs });
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#onLost !== undefined && (await this.#hasLost())) {
          this.#lossMs ??= systemClock.monotonic();
          if (systemClock.monotonic() - this.#lossMs > lossProofMs) return this.#onLost();
          throw new Error(`the stream ${this.#following.stream} lacks what it had`);
        }
        this.#lossMs = undefined;
        const { messages, remove } = await consume({ ...this.#following, after: this.#lastSeq });
        try {
          // What nobody reads never says that it has stopped.
          if (signal.aborted) return messages.stop();
          this.#messages = messages;
          await this.#read(messages, () => waits.reset());
        } finally {
          remove();
        }
      } catch (error) {
        if (!signal.aborted) this.#onTrouble(error);
      }
      await sleep(waits.nextMs(), signal).catch(() => {});
    }
  }

  /** Whether the stream is another one, or lacks what was told. */
  async #hasLost(): Promise<boolean> {
    const { link, stream } = this.#following;
    const { streams } = link.manager;
    try {
      const { state, created } = await streams.info(stream);
      this.#created ??= created;
      if (created !== this.#created || state.last_seq < this.#lastSeq) return true;
      if (this.#lastSubject === undefined) return false;
      // It may have been deleted since.
      const last = await streams.getMessage(stream, { seq: this.#lastSeq });
      return last !== null && last.subject !== this.#lastSubject;
    } catch (error) {
      const root = rootOf(error);
      if (root instanceof JetStreamApiError && root.code === JetStreamApiCodes.StreamNotFound)
        return true;
      throw error;
    }
  }

  async #read(messages: ConsumerMessages, onSign: () => void): Promise<void> {
    const { lost } = this.#following.link;
    const leave = (): void => messages.stop();
    let signs = 0;
    // A process that was busy for so long has not read what came meanwhile: it reads before it judges.
    const judge = (before: number): void => {
      if (signs === before) leave();
      else watchdog.refresh();
    };
    const watchdog = setTimeout(() => void setImmediate(judge, signs), consumerSilenceMs);
    const noteSign = (): void => {
      signs += 1;
      watchdog.refresh();
    };
    lost.addEventListener("abort", leave, { once: true });
    if (lost.aborted) leave();
    const heartbeats = (async () => {
      for await (const { type } of messages.status()) if (type === "heartbeat") noteSign();
    })();
    try {
      for await (const message of messages) {
        noteSign();
        onSign();
        if (message.seq <= this.#lastSeq) continue;
        this.#tell(message);
        this.#lastSeq = message.seq;
        this.#lastSubject = message.subject;
      }
    } finally {
      clearTimeout(watchdog);
      lost.removeEventListener("abort", leave);
      messages.stop();
      await heartbeats;
    }
  }
}

/** An ordered consumer: it starts anew by itself where it misses something. */
async function consume({
  link,
  stream,
  after,
  headersOnly = false,
}: Following): Promise<{ messages: ConsumerMessages; remove: () => void }> {
  const consumer = await link.manager.jetstream().consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    headers_only: headersOnly,
    inactive_threshold: consumerInactiveMs,
  });
  const messages = await consumer.consume({
    expires: consumerExpiresMs,
    idle_heartbeat: consumerHeartbeatMs,
    max_messages: 1000,
  });
  // The servers do so themselves where they are not reached.
  return { messages, remove: () => void consumer.delete().catch(() => {}) };
}
