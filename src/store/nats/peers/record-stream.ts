import { setMaxListeners } from "node:events";
import {
  JetStreamApiError,
  type MsgRequest,
  type StoredMsg,
  type StreamInfo,
} from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { AbortScope } from "../../../abort-scope.js";
import { BackOff } from "../../../back-off.js";
import { StoreError } from "../../../broker/store/store.js";
import { sleep, systemClock } from "../../../clock.js";
import { visibleLine } from "../../../contract/peer-text.js";
import { Pulse } from "../../../pulse.js";
import type { Link } from "../connect.js";
import { Follower } from "../follow.js";
import {
  checkIntervalMs,
  firstPublishWaitMs,
  flowWaitMs,
  lackingMs,
  maxBlindMs,
  maxDoubted,
  maxLateChecks,
  maxPublishWaitMs,
  maxReadOneByOne,
} from "../limits.js";
import { isPassing, permissionWords, rootOf } from "../link-error.js";

/** A message of a stream that keeps the last one of each subject. */
export interface KeptMessage {
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
}

/** Hears what a stream keeps. It throws nothing. */
export interface RecordListener {
  /** Each message, in the order of the sequences; what a later one replaces may be left out. */
  kept(message: KeptMessage): void;
  /** All that is kept follows from the first message on: the stream is another one, or too much was missed. */
  restarted(): void;
  /** That is all: what was not told again is not kept any more. */
  complete(): void;
  /** How many subjects have a message that nobody deletes. */
  readonly size: number;
}

/**
 * Follows a stream whose subjects keep their last message, from the first message on, and knows up to which
 * sequence it has all.
 *
 * A consumer hands over what comes. Whoever must know all that is stored by now asks the stream's leader, and
 * reads what the consumer has not brought yet. So it is also read, every `checkIntervalMs` and after each loss
 * of the connection, should a consumer be stuck.
 *
 * What was deleted is not told. So everything is read anew where nothing was heard of the stream for `maxBlindMs`.
 * The same where it was made again or set back: servers that lost their power may have lost the last of what they
 * stored. So after each loss of the connection the last message that is known has to be there still. Of several
 * servers one may tell old values for a while: until `lackingMs` have passed, that is an outage.
 */
export class RecordStream implements AsyncDisposable {
  readonly #link: Link;
  readonly #stream: string;
  readonly #listener: RecordListener;
  readonly #moves = new Pulse();
  readonly #closing = new AbortController();
  readonly #watch: Disposable;
  readonly #checking: Promise<void>;
  #follower: Follower | undefined;
  #seq = 0;
  #created: string | undefined;
  /** The last message that was read or written. */
  #last: KeptMessage | undefined;
  /** Those that were the last when the connection was lost, until it is known whether they are there still. */
  #doubted: KeptMessage[] = [];
  /** Since when the stream lacks what it had. */
  #lackingSinceMs: number | undefined;
  #isComplete = false;
  /** The consumer has, since the last check. */
  #hasBrought = false;
  #seenAt = seenNow();
  #reading: Promise<void> | undefined;
  #nextReading: Promise<void> | undefined;
  readonly #checks = new Pulse();

  constructor(link: Link, stream: string, listener: RecordListener) {
    this.#link = link;
    this.#stream = stream;
    this.#listener = listener;
    setMaxListeners(0, this.#closing.signal);
    this.#watch = link.watch(({ state }) => {
      if (state === "connected") this.#checks.beat();
      else if (this.#last !== undefined && !this.#doubted.includes(this.#last)) {
        this.#doubted.push(this.#last);
      }
    });
    this.#checking = this.#check();
  }

  /** All that is kept up to this sequence was told. */
  get seq(): number {
    return this.#seq;
  }

  /** Says that the listener knows this message already, as it wrote it. */
  wrote(message: KeptMessage): void {
    this.#know(message);
    // Nothing is between.
    if (message.seq === this.#seq + 1) this.#advance(message.seq);
  }

  /** Resolves once all is told that was stored at the time of the call. UNAVAILABLE at `endMs` of `systemClock.monotonic()`. */
  async catchUp(endMs: number): Promise<void> {
    const waits = new BackOff({ firstMs: firstPublishWaitMs, maxMs: maxPublishWaitMs });
    let words = "JetStream did not answer in time.";
    for (;;) {
      if (this.#closing.signal.aborted) throw unavailable("The store is closed.");
      const leftMs = endMs - systemClock.monotonic();
      if (leftMs <= 0) throw unavailable(words);
      const { state } = this.#link.state;
      if (state !== "connected" && !(await this.#link.whenConnected(leftMs))) {
        const now = this.#link.state;
        throw unavailable("problem" in now ? now.problem : words);
      }
      using scope = new AbortScope([this.#closing.signal, this.#link.lost], leftMs);
      try {
        await endingWith(scope.signal, this.#read());
        return;
      } catch (cause) {
        if (cause instanceof StoreError) words = cause.message;
        else if (!scope.signal.aborted) {
          words = describe(this.#stream, cause);
          if (!isPassing(cause)) throw unavailable(words, cause);
        }
      }
      const pauseMs = Math.min(waits.nextMs(), endMs - systemClock.monotonic());
      if (pauseMs > 0) await sleep(pauseMs, this.#closing.signal).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new StoreError("UNAVAILABLE", "The store is closed."));
    this.#watch[Symbol.dispose]();
    this.#checks.beat();
    await this.#follower?.[Symbol.asyncDispose]();
    await this.#checking;
  }

  /** One reading that begins now or later; those that ask meanwhile share the next one. */
  #read(): Promise<void> {
    if (this.#reading === undefined) {
      this.#reading = this.#readOnce().finally(() => {
        this.#reading = undefined;
      });
      return this.#reading;
    }
    this.#nextReading ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#nextReading = undefined;
        return this.#read();
      });
    return this.#nextReading;
  }

  async #readOnce(): Promise<void> {
    const info = await this.#unlessLost(this.#link.manager.streams.info(this.#stream));
    if (await this.#mustRestart(info)) this.#restart(info);
    const { first_seq: firstSeq, last_seq: lastSeq, messages } = info.state;
    this.#advance(firstSeq - 1);
    if (Math.min(lastSeq - this.#seq, messages) > maxReadOneByOne) await this.#flow(lastSeq);
    while (this.#seq < lastSeq) {
      const message = await this.#get(nextFrom(this.#seq + 1));
      if (this.#closing.signal.aborted) return;
      // The last ones were deleted.
      if (message === null) this.#advance(lastSeq);
      else this.#take(message);
    }
    this.#seenAt = seenNow();
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#listener.complete();
  }

  #get(which: MsgRequest): Promise<StoredMsg | null> {
    return this.#unlessLost(this.#link.manager.streams.getMessage(this.#stream, which));
  }

  /** The client would wait for an answer that was lost with the connection. */
  async #unlessLost<T>(request: Promise<T>): Promise<T> {
    using scope = new AbortScope([this.#link.lost, this.#closing.signal]);
    return await endingWith(scope.signal, request);
  }

  async #mustRestart(info: StreamInfo): Promise<boolean> {
    if (this.#created === undefined || blindMs(this.#seenAt) > maxBlindMs) return true;
    const { last_seq: lastSeq, messages } = info.state;
    const isOther = this.#created !== info.created || lastSeq < this.#seq;
    const isPurged = this.#isComplete && messages < this.#listener.size;
    const doubt = isOther || isPurged ? "lost" : await this.#lookAtDoubted();
    if (doubt !== "lost") {
      this.#lackingSinceMs = undefined;
      return doubt === "unknown";
    }
    // A server that is cut off from the others, or was just elected, may tell old values.
    const nowMs = systemClock.monotonic();
    this.#lackingSinceMs ??= nowMs;
    if (info.config.num_replicas === 1 || nowMs - this.#lackingSinceMs > lackingMs) {
      this.#lackingSinceMs = undefined;
      return true;
    }
    throw unavailable(`The stream ${this.#stream} of JetStream lacks records that it had.`);
  }

  /** Whether the doubted messages are there still: `unknown` where one may have been replaced since. */
  async #lookAtDoubted(): Promise<"kept" | "lost" | "unknown"> {
    const doubted = [...this.#doubted];
    if (doubted.length > maxDoubted) return "unknown";
    for (const { seq, subject, data } of doubted) {
      const found = await this.#get({ seq });
      if (found === null) return "unknown";
      if (found.subject !== subject || !Buffer.from(data).equals(found.data)) return "lost";
    }
    this.#doubted = this.#doubted.filter((message) => !doubted.includes(message));
    return "kept";
  }

  #restart({ created }: StreamInfo): void {
    this.#created = created;
    this.#seq = 0;
    this.#last = undefined;
    this.#doubted = [];
    this.#isComplete = false;
    this.#seenAt = seenNow();
    this.#listener.restarted();
    this.#follow();
  }

  #follow(): void {
    const former = this.#follower;
    if (this.#closing.signal.aborted) return;
    this.#follower = undefined;
    void former?.[Symbol.asyncDispose]().catch(() => {});
    const follower = new Follower(
      { link: this.#link, stream: this.#stream, after: this.#seq },
      (message) => {
        // What a former one still brings may leave a gap.
        if (follower !== this.#follower) return;
        this.#hasBrought = true;
        this.#take(message);
      },
      { onTrouble: () => {} },
    );
    this.#follower = follower;
  }

  /** Waits for the consumer while it brings much. */
  async #flow(lastSeq: number): Promise<void> {
    while (this.#seq < lastSeq) {
      const before = this.#seq;
      using time = new AbortScope([this.#closing.signal], flowWaitMs);
      await this.#moves.next(time.signal).catch(() => {});
      if (this.#seq === before) return;
    }
  }

  #take({ subject, seq, data }: KeptMessage): void {
    if (seq <= this.#seq) return;
    const message = { subject, seq, data };
    this.#know(message);
    this.#listener.kept(message);
    this.#advance(seq);
  }

  #know(message: KeptMessage): void {
    if (message.seq > (this.#last?.seq ?? 0)) this.#last = message;
  }

  #advance(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#moves.beat();
  }

  async #check(): Promise<void> {
    const { signal } = this.#closing;
    let late = 0;
    while (!signal.aborted) {
      using time = new AbortScope([signal], checkIntervalMs);
      await this.#checks.next(time.signal).catch(() => {});
      if (signal.aborted || this.#link.state.state !== "connected") continue;
      const before = this.#seq;
      try {
        await this.#read();
        late = this.#seq > before && !this.#hasBrought ? late + 1 : 0;
        this.#hasBrought = false;
        // The consumer brings nothing: another one may.
        if (late >= maxLateChecks) {
          late = 0;
          this.#follow();
        }
      } catch {
        // The next one comes, and whoever needs an answer asks.
      }
    }
  }
}

/** The first message at this sequence or after it. The client's type knows this question of direct reads alone. */
function nextFrom(seq: number): MsgRequest {
  return { seq, next_by_subj: ">" } as MsgRequest;
}

interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

function seenNow(): Moment {
  return { wallMs: systemClock.now(), monotonicMs: systemClock.monotonic() };
}

/** The monotonic clock stands still while a machine sleeps; the other one may be set. */
function blindMs({ wallMs, monotonicMs }: Moment): number {
  return Math.max(systemClock.now() - wallMs, systemClock.monotonic() - monotonicMs);
}

function describe(stream: string, cause: unknown): string {
  const root = rootOf(cause);
  const words = root instanceof Error ? visibleLine(root.message) : "";
  if (root instanceof errors.PermissionViolationError) return permissionWords(root);
  return root instanceof JetStreamApiError
    ? `JetStream refuses to read the stream ${stream} (${words}, ${root.code}).`
    : `JetStream does not answer (${words}).`;
}

function unavailable(words: string, cause?: unknown): StoreError {
  return new StoreError("UNAVAILABLE", words, { cause });
}

async function endingWith<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  work.catch(() => {});
  let end: (() => void) | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        end = () => reject(signal.reason as Error);
        if (signal.aborted) end();
        else signal.addEventListener("abort", end);
      }),
    ]);
  } finally {
    if (end !== undefined) signal.removeEventListener("abort", end);
  }
}
