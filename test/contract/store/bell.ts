/** A `wake` that a test can wait for. */
export class Bell {
  rings = 0;
  #isUnheard = false;
  #listen: (() => void) | undefined;

  readonly ring = (): void => {
    this.rings += 1;
    this.#isUnheard = true;
    this.#listen?.();
  };

  /** Resolves when the bell has rung since it was last heard. */
  async heard(): Promise<void> {
    if (!this.#isUnheard) {
      await new Promise<void>((resolve) => {
        this.#listen = resolve;
      });
    }
    this.#isUnheard = false;
  }
}
