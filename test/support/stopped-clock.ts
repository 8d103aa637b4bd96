import type { Clock } from "../../src/clock.js";

/** A clock that stands still until it is moved. */
export class StoppedClock implements Clock {
  #now: number;

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
