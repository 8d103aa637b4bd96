/** Wakes one waiting reader. Set while nobody waits, it is remembered once. Ends with an AbortSignal. */
export class Signal {
  readonly #abort: AbortSignal;
  #isSet = false;
  #wake: (() => void) | undefined;

  constructor(abort: AbortSignal) {
    this.#abort = abort;
    abort.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  set(): void {
    this.#isSet = true;
    this.#wake?.();
  }

  /** Waits until `set`, and resets it; false when the signal aborted. */
  async wait(): Promise<boolean> {
    if (!this.#isSet && !this.#abort.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#isSet = false;
    return !this.#abort.aborted;
  }
}
