import type { Clock } from "../../src/clock.js";

/** A clock that stands still until it is moved. */
export class StoppedClock implements Clock {
  #now: number;
  #monotonic = 0;

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
  }

  /** Somebody sets the wall clock; no time passes. A negative number sets it back. */
  setForward(ms: number): void {
    this.#now += ms;
  }
}
