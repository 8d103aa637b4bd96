import type { Clock } from "../../src/clock.js";

/** A clock that stands still until it is moved. */
export class StoppedClock implements Clock {
  #now: number;
  #monotonic = 0;
  readonly #due = new Set<{ readonly atMs: number; readonly act: () => void }>();

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(ms: number, act: () => void): Disposable {
    const due = { atMs: this.#monotonic + ms, act };
    this.#due.add(due);
    return { [Symbol.dispose]: () => void this.#due.delete(due) };
  }

  /** How many calls are still to come. */
  get timers(): number {
    return this.#due.size;
  }

  /** Time passes, and what is due meanwhile is called, each at its time. */
  advance(ms: number): void {
    const endMs = this.#monotonic + ms;
    while (this.#actUntil(endMs));
  }

  /** The same; what each of them sets off, as far as it waits for nothing outside, is done before the next. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#monotonic + ms;
    do await new Promise<void>((resolve) => void setImmediate(resolve));
    while (this.#actUntil(endMs));
  }

  /** Calls what is due next. When nothing is, the time has come, and the result is false. */
  #actUntil(endMs: number): boolean {
    const [next] = [...this.#due].toSorted((a, b) => a.atMs - b.atMs);
    const isDue = next !== undefined && next.atMs <= endMs;
    const ms = Math.max(0, (isDue ? next.atMs : endMs) - this.#monotonic);
    this.#now += ms;
    this.#monotonic += ms;
    if (!isDue) return false;
    this.#due.delete(next);
    next.act();
    return true;
  }

  /** Somebody sets the wall clock; no time passes. A negative number sets it back. */
  setForward(ms: number): void {
    this.#now += ms;
  }
}
