import { createHash } from "node:crypto";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { PeerKind } from "../../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../../clock.js";
import type { BrokerSettings } from "../../contract/settings.js";
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
import { Rate, type RateLimit } from "../rate.js";

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
  /** Those of agents and persons, and those of programs. */
  readonly #usual: Rates;
  readonly #programs: Rates;
  /** Answers within the hop window, oldest first. */
  readonly #answers = new Map<string, { answers: string; atMs: number }>();
  /** Texts within the repeat window, oldest first: who said what to whom, and in which message. */
  readonly #said = new Map<string, { messageId: string; atMs: number }>();

  constructor(clock: Clock, set: BrokerSettings) {
    this.#clock = clock;
    this.#usual = ratesOf(
      clock,
      "",
      { burst: maxSendBurst, perSecond: sendsPerSecond },
      { burst: maxSendBurstBytes, perSecond: sendBytesPerSecond },
    );
    this.#programs = ratesOf(
      clock,
      "program_",
      { burst: set.program_send_burst, perSecond: set.program_sends_per_second },
      { burst: set.program_send_burst_bytes, perSecond: set.program_send_bytes_per_second },
    );
  }

  /**
   * Takes a message to so many recipients, and its size in bytes, from what the sender may send; refuses what
   * is one too many. Disposing of it gives back what was not kept.
   */
  reserve(from: Sender, recipients: number, size: number): Reservation {
    const { messages, bytes } = from.kind === PeerKind.PROGRAM ? this.#programs : this.#usual;
    const { peerId } = from;
    messages.require(peerId, recipients);
    bytes.require(peerId, size);
    messages.take(peerId, recipients);
    bytes.take(peerId, size);
    return new Reservation({
      admit: (attempt, to) => this.#admit(attempt, to),
      release: (kept) => {
        messages.giveBack(peerId, recipients - kept);
        if (kept === 0) bytes.giveBack(peerId, size);
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
      const said = { messageId: attempt.messageId, atMs: now };
      undo.set(peerId, addNew(this.#said, textKey(attempt, peerId), said));
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

/** Who sends; what it may send follows from its kind. */
export interface Sender {
  readonly peerId: string;
  readonly kind: PeerKind;
}

/** What senders of one kind may send. */
interface Rates {
  readonly messages: SendRate;
  readonly bytes: SendRate;
}

/** One bound on what each sender sends, with its name and words. */
class SendRate extends Rate {
  readonly #bound: RateLimit;
  readonly #limit: string;
  readonly #counted: string;

  /** @param limit the name under which GetServerInfo states what comes back a second. */
  constructor(clock: Clock, bound: RateLimit, limit: string, counted: string) {
    super(clock, bound);
    this.#bound = bound;
    this.#limit = limit;
    this.#counted = counted;
  }

  /** RATE_LIMITED where the sender has not so much left. */
  require(peerId: string, amount: number): void {
    const waitMs = this.waitMs(peerId, amount);
    if (waitMs === 0) return;
    const { burst, perSecond } = this.#bound;
    throw tooOften(
      ErrorReason.RATE_LIMITED,
      `you sent ${burst} ${this.#counted}: at most ${perSecond} a second go on`,
      waitMs,
      { limit: this.#limit, maximum: String(perSecond) },
    );
  }
}

/** @param prefix begins the names of the bounds. */
function ratesOf(clock: Clock, prefix: string, messages: RateLimit, bytes: RateLimit): Rates {
  const counted = "messages in a burst, each recipient counting";
  return {
    messages: new SendRate(clock, messages, `${prefix}sends_per_second`, counted),
    bytes: new SendRate(clock, bytes, `${prefix}send_bytes_per_second`, "bytes in a burst"),
  };
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

/** Adds a value where there is none; returns what removes that very one. */
function addNew<T>(values: Map<string, T>, key: string, value: T): () => void {
  if (values.has(key)) return () => {};
  values.set(key, value);
  return () => {
    if (values.get(key) === value) values.delete(key);
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
