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

  /** Time passes, and what is due meanwhile is called, each at its time. */
  advance(ms: number): void {
    const endMs = this.#monotonic + ms;
    for (;;) {
      const [next] = [...this.#due].toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > endMs) break;
      this.#pass(Math.max(0, next.atMs - this.#monotonic));
      this.#due.delete(next);
      next.act();
    }
    this.#pass(endMs - this.#monotonic);
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
  }

  /** Somebody sets the wall clock; no time passes. A negative number sets it back. */
  setForward(ms: number): void {
    this.#now += ms;
  }
}
