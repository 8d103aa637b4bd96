import { createHash } from "node:crypto";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import type { Clock } from "../clock.js";
import { BrokerError } from "./broker-error.js";
import { hopWindowMs, maxHops, maxSendBurst, repeatWindowMs, sendsPerSecond } from "./limits.js";

/** What a sender is about to send, as far as storms are concerned. */
export interface Attempt {
  readonly from: string;
  readonly messageId: string;
  readonly inReplyTo: string;
  readonly text: string;
  /** How many peers it is for: each counts as a message. */
  readonly recipients: number;
}

/**
 * Refuses what only machines that feed each other send: a chain of answers faster than anyone works,
 * one sender without end, the same words to the same peer. In memory: a restart forgives.
 */
export class Storms {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, { sends: number; atMs: number }>();
  /** Answers accepted within the hop window, oldest first. */
  readonly #answers = new Map<string, { inReplyTo: string; atMs: number }>();
  /** Texts accepted within the repeat window, oldest first: who said what to whom, and in which message. */
  readonly #said = new Map<string, { messageId: string; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Refuses a send that is one too many for its sender, or for its chain of answers. */
  check(attempt: Attempt): void {
    const now = this.#clock.now();
    this.#forget(now);
    const missing = attempt.recipients - this.#budget(attempt.from, now);
    if (missing > 0) {
      throw tooOften(
        ErrorReason.RATE_LIMITED,
        `you sent ${maxSendBurst} messages in a burst: at most ${sendsPerSecond} a second go on`,
        Math.ceil((missing / sendsPerSecond) * 1000),
      );
    }
    const { hops, oldestMs } = this.#chain(attempt.inReplyTo);
    if (hops >= maxHops) {
      throw tooOften(
        ErrorReason.HOP_LIMIT,
        `in_reply_to: ${hops} answers followed one another in this thread within ${hopWindowMs / 1000} seconds: stop answering, or go on later`,
        oldestMs + hopWindowMs - now,
      );
    }
  }

  /** Why a peer is not to hear again what it was just told; undefined for a repeat of the same message. */
  findRepeat(attempt: Attempt, to: string): BrokerError | undefined {
    const said = this.#said.get(textKey(attempt, to));
    if (said === undefined || said.messageId === attempt.messageId) return undefined;
    return tooOften(
      ErrorReason.REPEATED_TEXT,
      "text: you sent this peer the same words a moment ago, and they are stored: see where that message stands instead",
      said.atMs + repeatWindowMs - this.#clock.now(),
    );
  }

  /** Counts a message that was stored for these recipients. */
  accepted(attempt: Attempt, recipients: readonly string[]): void {
    const now = this.#clock.now();
    const sends = this.#budget(attempt.from, now) - recipients.length;
    this.#budgets.delete(attempt.from);
    this.#budgets.set(attempt.from, { sends, atMs: now });
    if (attempt.inReplyTo !== "") {
      this.#answers.set(attempt.messageId, { inReplyTo: attempt.inReplyTo, atMs: now });
    }
    for (const to of recipients) {
      this.#said.set(textKey(attempt, to), { messageId: attempt.messageId, atMs: now });
    }
  }

  #budget(from: string, now: number): number {
    const known = this.#budgets.get(from);
    if (known === undefined) return maxSendBurst;
    const elapsedMs = Math.max(0, now - known.atMs);
    return Math.min(maxSendBurst, known.sends + (elapsedMs / 1000) * sendsPerSecond);
  }

  /** How many answers led here, each to the one before, within the window. */
  #chain(inReplyTo: string): { hops: number; oldestMs: number } {
    let hops = 0;
    let oldestMs = 0;
    for (let id = inReplyTo; hops < maxHops; hops++) {
      const answer = this.#answers.get(id);
      if (answer === undefined) break;
      oldestMs = answer.atMs;
      id = answer.inReplyTo;
    }
    return { hops, oldestMs };
  }

  #forget(now: number): void {
    dropOlder(this.#answers, now, hopWindowMs);
    dropOlder(this.#said, now, repeatWindowMs);
    dropOlder(this.#budgets, now, (maxSendBurst / sendsPerSecond) * 1000);
  }
}

/** The oldest entries are at the front. One from the future was made before the clock was set back. */
function dropOlder(entries: Map<string, { atMs: number }>, now: number, windowMs: number): void {
  for (const [key, { atMs }] of entries) {
    if (atMs > now - windowMs && atMs <= now) return;
    entries.delete(key);
  }
}

function textKey({ from, text, inReplyTo }: Attempt, to: string): string {
  const hash = createHash("sha256").update(JSON.stringify([from, to, inReplyTo, text]));
  return hash.digest("base64");
}

function tooOften(reason: ErrorReason, why: string, retryMs: number): BrokerError {
  const seconds = Math.max(1, Math.ceil(retryMs / 1000));
  return new BrokerError(reason, `${why} (try again in ${seconds} s)`, {
    retryAfterMs: seconds * 1000,
  });
}
