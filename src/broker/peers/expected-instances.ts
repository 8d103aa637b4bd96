import type { Clock } from "../../clock.js";
import { Pulse } from "../../pulse.js";
import { reclaimDelayMs } from "../limits.js";
import type { PeerRecord } from "./directory.js";

/** For whom a peer is kept. */
export interface Expected {
  readonly instanceId: string;
  /** Of its session, as far as that is known; else empty. */
  readonly conversationId: string;
}

/**
 * Instances whose peer is kept for them for a moment, since nobody knows yet whether they are there. One had a
 * session when its broker ended, and comes back. Or it has just got one at another broker, which says so soon.
 */
export class ExpectedInstances {
  readonly #clock: Clock;
  readonly #waits = new Map<PeerRecord, { expected: Expected; end: Disposable }>();
  /** Beats when a wait is over. */
  readonly #settled = new Pulse();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  expect(peer: PeerRecord, expected: Expected): void {
    this.#waits.get(peer)?.end[Symbol.dispose]();
    const end = this.#clock.after(reclaimDelayMs, () => this.settle(peer));
    this.#waits.set(peer, { expected, end });
  }

  /** For whom a peer is kept; undefined where it is not. */
  of(peer: PeerRecord): Expected | undefined {
    return this.#waits.get(peer)?.expected;
  }

  /** It is known by now who has the peer, or that nobody has it. */
  settle(peer: PeerRecord): void {
    const wait = this.#waits.get(peer);
    if (wait === undefined) return;
    wait.end[Symbol.dispose]();
    this.#waits.delete(peer);
    this.#settled.beat();
  }

  /** Resolves when the peer is kept for nobody; rejects with the signal's reason when it aborts first. */
  async whenSettled(peer: PeerRecord, signal: AbortSignal): Promise<void> {
    while (this.#waits.has(peer)) await this.#settled.next(signal);
  }
}
