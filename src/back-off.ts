/**
 * How long to wait before something that failed is tried again: at first a little, then twice as long each
 * time, up to a maximum. Each wait is cut by up to half, at random, so that many do not come back at once.
 */
export class BackOff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  /** @param maxMs the longest wait, unless whoever refused asks for a longer one. */
  constructor(options: { firstMs: number; maxMs: number }) {
    this.#firstMs = options.firstMs;
    this.#maxMs = options.maxMs;
  }

  /**
   * The next wait, in whole milliseconds.
   *
   * @param askedMs the wait that whoever refused asked for. The wait is at least that long. It is at most
   * twice as long, unless the back-off alone is longer.
   */
  nextMs(askedMs = 0): number {
    const grownMs = Math.min(this.#firstMs * 2 ** this.#failures++, this.#maxMs);
    const share = Math.random();
    return Math.ceil(Math.max((grownMs * (1 + share)) / 2, askedMs * (1 + share)));
  }

  /** It worked: the next wait is a first one. */
  reset(): void {
    this.#failures = 0;
  }
}
