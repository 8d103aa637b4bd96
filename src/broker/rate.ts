import type { Clock } from "../clock.js";

/** How much may be used at once, and how much of it comes back a second. */
export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * What each of many users has left of a burst that comes back with time. Taking counts at once, so that
 * calls under way are bounded too; what was not needed is given back. A user is forgotten when nothing
 * is owed any more.
 */
export class Rate {
  readonly #clock: Clock;
  readonly #limit: RateLimit;
  /** Who used it last is last. */
  readonly #used = new Map<string, { amount: number; atMs: number }>();

  constructor(clock: Clock, limit: RateLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** How long until the amount can be taken, in milliseconds; 0 when it can be now. */
  waitMs(user: string, amount: number): number {
    const missing = this.#usedNow(user) + amount - this.#limit.burst;
    return missing <= 0 ? 0 : Math.ceil((missing / this.#limit.perSecond) * 1000);
  }

  /** How many users owe something, or owed it lately. */
  get users(): number {
    return this.#used.size;
  }

  take(user: string, amount: number): void {
    this.#set(user, this.#usedNow(user) + amount);
    this.#forget();
  }

  giveBack(user: string, amount: number): void {
    this.#set(user, Math.max(0, this.#usedNow(user) - amount));
  }

  #usedNow(user: string): number {
    const used = this.#used.get(user);
    if (used === undefined) return 0;
    const elapsedMs = this.#clock.monotonic() - used.atMs;
    return Math.max(0, used.amount - (elapsedMs / 1000) * this.#limit.perSecond);
  }

  #set(user: string, amount: number): void {
    this.#used.delete(user);
    this.#used.set(user, { amount, atMs: this.#clock.monotonic() });
  }

  #forget(): void {
    for (const user of this.#used.keys()) {
      if (this.#usedNow(user) > 0) return;
      this.#used.delete(user);
    }
  }
}
