import type { Clock } from "../clock.js";
import type { Turn } from "../hosts/doorbell/doorbell-box.js";
import type { WakeResult } from "../hosts/host.js";
import { quietMs } from "./limits.js";

/** Wakes an idle session by other means than its box. Never rejects. */
export type Waker = (line: string, signal: AbortSignal) => Promise<WakeResult>;

/**
 * Whether the host is idle, and how it is woken then by other means than its box. Its hooks tell of its
 * turns. A host whose hooks tell nothing is taken for idle when it has called nothing for a while.
 */
export class Waking {
  readonly #clock: Clock;
  readonly #wakers: readonly Waker[];
  #turn: Turn | undefined;
  #running = 0;
  #lastCallMs = Number.NEGATIVE_INFINITY;
  #isQueued = false;

  constructor(clock: Clock, wakers: readonly Waker[]) {
    this.#clock = clock;
    this.#wakers = wakers;
  }

  get isIdle(): boolean {
    if (this.#turn !== undefined) return this.#turn === "idle";
    return this.#running === 0 && this.#clock.monotonic() - this.#lastCallMs >= quietMs;
  }

  /** The host took a line for its next turn, and has not begun one since. */
  get isQueued(): boolean {
    return this.#isQueued;
  }

  /** A hook told of a turn. */
  turned(turn: Turn): void {
    this.#turn = turn;
    this.#isQueued = false;
  }

  /** From its making to its disposal, a call of the agent runs. */
  beginCall(): Disposable {
    this.#isQueued = false;
    this.#running++;
    this.#lastCallMs = this.#clock.monotonic();
    return {
      [Symbol.dispose]: () => {
        this.#running--;
        this.#lastCallMs = this.#clock.monotonic();
      },
    };
  }

  /** Tries each way until the host takes the line, which is asked for anew each time. */
  async wake(line: () => string, signal: AbortSignal): Promise<WakeResult> {
    let best: WakeResult = "refused";
    for (const wake of this.#wakers) {
      const result = await wake(line(), signal);
      this.#isQueued ||= result === "taken";
      if (result === "taken") return result;
      if (result === "sent") best = result;
    }
    return best;
  }
}
