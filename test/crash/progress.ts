import { AbortScope } from "../../src/abort-scope.js";
import { Pulse } from "../../src/pulse.js";
import { progressTimeoutMs } from "./limits.js";

/** How many messages were accepted so far, and whether the run itself still stands. */
export class Progress {
  readonly #grown = new Pulse();
  readonly #broken = new AbortController();
  #accepted = 0;
  #onAccepted = (): void => {};

  get accepted(): number {
    return this.#accepted;
  }

  add(count: number): void {
    this.#accepted += count;
    this.#onAccepted();
    this.#grown.beat();
  }

  /** Calls whenever some were accepted. */
  onAccepted(act: () => void): void {
    this.#onAccepted = act;
  }

  /** A part of the run failed in a way that the run did not cause: it cannot go on. */
  fail(defect: unknown): void {
    this.#broken.abort(defect);
  }

  /** Resolves when this many more were accepted; fails when that takes too long, or the run is broken. */
  async more(count: number): Promise<void> {
    const wanted = this.#accepted + count;
    using wait = new AbortScope([this.#broken.signal], progressTimeoutMs);
    while (this.#accepted < wanted) await this.#grown.next(wait.signal);
  }

  /** Resolves as the work does; fails when the run is broken meanwhile. */
  async unlessBroken<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#broken;
    signal.throwIfAborted();
    return new Promise<T>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      work.then(resolve, reject);
    });
  }
}
