import { createHash } from "node:crypto";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { Clock } from "../../clock.js";
import { BrokerError } from "../broker-error.js";
import {
  hopWindowMs,
  maxHops,
  maxSendBurst,
  maxSendBurstBytes,
  repeatWindowMs,
  sendBytesPerSecond,
  sendsPerSecond,
} from "../limits.js";
import { Rate } from "../rate.js";

/** A message among all: the id alone is chosen by its sender, and another may choose the same. */
export interface MessageKey {
  readonly from: string;
  readonly messageId: string;
}

/** What a sender is about to send, as far as storms are concerned. */
export interface Attempt extends MessageKey {
  readonly answers: MessageKey | undefined;
  readonly text: string;
}

/**
 * Refuses what only machines that feed each other send. That is a chain of answers faster than anyone
 * works, one sender without end, or the same words to the same peer. Each call reserves what it is
 * about to use before it waits for anything, and gives back what was not stored. In memory: a restart
 * forgives.
 */
export class Storms {
  readonly #clock: Clock;
  readonly #messages: Rate;
  readonly #bytes: Rate;
  /** Answers within the hop window, oldest first. */
  readonly #answers = new Map<string, { answers: string; atMs: number }>();
  /** Texts within the repeat window, oldest first: who said what to whom, and in which message. */
  readonly #said = new Map<string, { messageId: string; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#messages = new Rate(clock, { burst: maxSendBurst, perSecond: sendsPerSecond });
    this.#bytes = new Rate(clock, { burst: maxSendBurstBytes, perSecond: sendBytesPerSecond });
  }

  /**
   * Takes a message to so many recipients, and its bytes, from what the sender may send; refuses what
   * is one too many. Disposing of it gives back what was not kept.
   */
  reserve(from: string, recipients: number, bytes: number): Reservation {
    const waitMs = this.#messages.waitMs(from, recipients);
    if (waitMs > 0) {
      throw tooOften(
        ErrorReason.RATE_LIMITED,
        `you sent ${maxSendBurst} messages in a burst, each recipient counting: at most ${sendsPerSecond} a second go on`,
        waitMs,
        { limit: "sends_per_second", maximum: String(sendsPerSecond) },
      );
    }
    const bytesWaitMs = this.#bytes.waitMs(from, bytes);
    if (bytesWaitMs > 0) {
      throw tooOften(
        ErrorReason.RATE_LIMITED,
        `you sent ${maxSendBurstBytes} bytes in a burst: at most ${sendBytesPerSecond} a second go on`,
        bytesWaitMs,
        { limit: "send_bytes_per_second", maximum: String(sendBytesPerSecond) },
      );
    }
    this.#messages.take(from, recipients);
    this.#bytes.take(from, bytes);
    return new Reservation({
      admit: (attempt, to) => this.#admit(attempt, to),
      release: (kept) => {
        this.#messages.giveBack(from, recipients - kept);
        if (kept === 0) this.#bytes.giveBack(from, bytes);
      },
    });
  }

  /**
   * Refuses the message where it goes on with a chain, and tells for each recipient whether it was just
   * told the same. What passes is reserved.
   */
  #admit(attempt: Attempt, to: readonly string[]): Admitted {
    const now = this.#clock.monotonic();
    dropOlder(this.#answers, now, hopWindowMs);
    dropOlder(this.#said, now, repeatWindowMs);
    this.#checkChain(attempt, now);
    const refusals = to.map((peerId) => this.#findRepeat(attempt, peerId, now));
    const undo = new Map<string, () => void>();
    to.forEach((peerId, index) => {
      if (refusals[index] !== undefined) return;
      const entry = { messageId: attempt.messageId, atMs: now };
      undo.set(peerId, addNew(this.#said, textKey(attempt, peerId), entry));
    });
    const { answers } = attempt;
    const undoAnswer =
      answers === undefined
        ? () => {}
        : addNew(this.#answers, keyOf(attempt), { answers: keyOf(answers), atMs: now });
    return { refusals, undo, undoAnswer };
  }

  #checkChain({ answers }: Attempt, now: number): void {
    if (answers === undefined) return;
    let hops = 0;
    let oldestMs = 0;
    for (let key = keyOf(answers); hops < maxHops; hops++) {
      const answer = this.#answers.get(key);
      if (answer === undefined) return;
      oldestMs = answer.atMs;
      key = answer.answers;
    }
    throw tooOften(
      ErrorReason.HOP_LIMIT,
      `in_reply_to: ${hops} answers followed one another in this thread within ${hopWindowMs / 1000} seconds: stop answering, or go on later`,
      oldestMs + hopWindowMs - now,
      { field: "in_reply_to", limit: "hops_per_minute", maximum: String(maxHops) },
    );
  }

  /** Why a peer is not to hear again what it was just told; undefined for a repeat of the same message. */
  #findRepeat(attempt: Attempt, to: string, now: number): BrokerError | undefined {
    const said = this.#said.get(textKey(attempt, to));
    if (said === undefined || said.messageId === attempt.messageId) return undefined;
    return tooOften(
      ErrorReason.REPEATED_TEXT,
      "text: you sent this peer the same words a moment ago: see where that message stands instead",
      said.atMs + repeatWindowMs - now,
      { field: "text", limit: "repeat_window_seconds", maximum: String(repeatWindowMs / 1000) },
    );
  }
}

interface Admitted {
  /** In the order of the recipients: why one is not to hear it. */
  readonly refusals: readonly (BrokerError | undefined)[];
  /** By recipient: takes back that it was told. */
  readonly undo: ReadonlyMap<string, () => void>;
  readonly undoAnswer: () => void;
}

/** What one call has reserved, until it is known what was stored. */
export class Reservation implements Disposable {
  readonly #admit: (attempt: Attempt, to: readonly string[]) => Admitted;
  readonly #release: (kept: number) => void;
  #admitted: Admitted | undefined;
  #isOver = false;

  constructor(options: {
    admit: (attempt: Attempt, to: readonly string[]) => Admitted;
    release: (kept: number) => void;
  }) {
    this.#admit = options.admit;
    this.#release = options.release;
  }

  /** HOP_LIMIT; else, in the order of the recipients, why one is not to hear it. */
  admit(attempt: Attempt, to: readonly string[]): readonly (BrokerError | undefined)[] {
    this.#admitted = this.#admit(attempt, to);
    return this.#admitted.refusals;
  }

  /** The message was newly stored for these recipients, and for no others. */
  keep(stored: ReadonlySet<string>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release(stored.size);
    const { undo, undoAnswer } = this.#admitted ?? {};
    for (const [to, takeBack] of undo ?? []) if (!stored.has(to)) takeBack();
    if (stored.size === 0) undoAnswer?.();
  }

  /** Nothing was stored, since no recipient was found. The search counts as one message. */
  miss(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release(1);
  }

  [Symbol.dispose](): void {
    this.keep(new Set());
  }
}

/** Adds an entry where there is none; returns what removes that very one. */
function addNew<T>(entries: Map<string, T>, key: string, entry: T): () => void {
  if (entries.has(key)) return () => {};
  entries.set(key, entry);
  return () => {
    if (entries.get(key) === entry) entries.delete(key);
  };
}

/** The oldest entries are at the front. */
function dropOlder(entries: Map<string, { atMs: number }>, now: number, windowMs: number): void {
  for (const [key, { atMs }] of entries) {
    if (atMs > now - windowMs) return;
    entries.delete(key);
  }
}

function keyOf({ from, messageId }: MessageKey): string {
  return `${from}/${messageId}`;
}

function textKey({ from, text, answers }: Attempt, to: string): string {
  const answered = answers === undefined ? "" : keyOf(answers);
  const hash = createHash("sha256").update(JSON.stringify([from, to, answered, text]));
  return hash.digest("base64");
}

function tooOften(
  reason: ErrorReason,
  why: string,
  retryMs: number,
  metadata: Record<string, string>,
): BrokerError {
  const seconds = Math.max(1, Math.ceil(retryMs / 1000));
  return new BrokerError(reason, `${why} (try again in ${seconds} s)`, {
    retryAfterMs: seconds * 1000,
    metadata,
  });
}
