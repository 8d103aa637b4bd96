import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { Clock } from "../clock.js";
import { wakeProofMs } from "./limits.js";

/**
 * How the agent is reached, from what was seen of this session. It *wakes* while a call of it waits for
 * mail, and once it read its mail soon after it was woken. It is told at its *next turn* once it called a
 * tool or a hook of its host ran. Before that, mail is *stored*.
 */
export class SessionReach {
  readonly #clock: Clock;
  readonly #onReach: (reach: Reach) => void;
  #waiting = 0;
  #isSeen = false;
  /** When the session was last woken, and nothing read since. */
  #wokenAtMs: number | undefined;
  #wakes = false;
  #reach = Reach.STORED;

  constructor(clock: Clock, onReach: (reach: Reach) => void) {
    this.#clock = clock;
    this.#onReach = onReach;
  }

  /** A call of the agent waits for mail. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Runs what ends as soon as mail comes. */
  async whileWaiting<T>(wait: () => Promise<T>): Promise<T> {
    this.#waiting++;
    this.#publish();
    try {
      return await wait();
    } finally {
      this.#waiting--;
      this.#publish();
    }
  }

  /** The host was seen to act in this session. */
  saw(): void {
    this.#isSeen = true;
    this.#publish();
  }

  /** The session was woken, as far as can be told. */
  woken(): void {
    this.#wokenAtMs ??= this.#clock.monotonic();
  }

  /** There was nothing by which it could be woken. */
  refused(): void {
    this.#wakes = false;
    this.#publish();
  }

  /** Mail was read: if the session was woken not long ago, waking works. */
  prove(): void {
    if (this.#wokenAtMs === undefined) return;
    this.#wakes = !this.#isOverdue(this.#wokenAtMs);
    this.#wokenAtMs = undefined;
    this.#publish();
  }

  /** Looks whether the session was woken, and nothing came of it in good time. */
  expectProof(): void {
    if (this.#wokenAtMs !== undefined && this.#isOverdue(this.#wokenAtMs)) this.refused();
  }

  #isOverdue(wokenAtMs: number): boolean {
    return this.#clock.monotonic() - wokenAtMs > wakeProofMs;
  }

  #publish(): void {
    const isTold = this.#isSeen ? Reach.NEXT_TURN : Reach.STORED;
    const reach = this.#wakes || this.isWaiting ? Reach.WAKES : isTold;
    if (reach === this.#reach) return;
    this.#reach = reach;
    this.#onReach(reach);
  }
}
