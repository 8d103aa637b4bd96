/** A `wake` that a test can wait for. */
export class Bell {
  rings = 0;
  #heard = Promise.withResolvers<void>();

  readonly ring = (): void => {
    this.rings += 1;
    this.#heard.resolve();
  };

  /** Resolves when the bell has rung since it was last heard. */
  async heard(): Promise<void> {
    await this.#heard.promise;
    this.#heard = Promise.withResolvers();
  }
}
