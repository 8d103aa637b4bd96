import { StoreError } from "../../broker/store/store.js";
import type { Clock } from "../../clock.js";
import type { StoreLimits } from "../limits.js";
import type { Calls } from "./calls.js";
import type { PruneMark } from "./operations.js";

/**
 * Deletes what is past its retention and shrinks the file. A round begins when the store is opened. Later
 * rounds begin when the store becomes idle, at most one in an interval. Each transaction deletes one
 * slice, so that nobody waits long.
 */
export class Housekeeping {
  readonly #calls: Calls;
  readonly #clock: Clock;
  readonly #limits: StoreLimits;
  readonly #onDefect: (error: unknown) => void;
  #lastRoundMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    calls: Calls;
    clock: Clock;
    limits: StoreLimits;
    onDefect: (error: unknown) => void;
  }) {
    this.#calls = options.calls;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#onDefect = options.onDefect;
  }

  /** Begins a round if one is due. */
  begin(): void {
    const monotonicMs = this.#clock.monotonic();
    if (monotonicMs - this.#lastRoundMs < this.#limits.pruneIntervalMs) return;
    this.#lastRoundMs = monotonicMs;
    void this.#round(this.#clock.now() - this.#limits.retentionMs);
  }

  async #round(beforeMs: number): Promise<void> {
    try {
      let mark: PruneMark | undefined = { acceptTimeMs: 0, id: 0 };
      while (mark !== undefined) mark = await this.#calls.call("prune", beforeMs, mark);
      while (await this.#calls.call("reclaim"));
    } catch (error) {
      // The store was closed or has failed, which it tells by itself. The next round starts anew.
      if (!(error instanceof StoreError)) this.#onDefect(error);
    }
  }
}
