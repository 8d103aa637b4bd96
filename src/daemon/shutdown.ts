/** What has been started, to be stopped in reverse order. */
export class Shutdown {
  readonly #steps: { readonly what: string; readonly stop: () => unknown }[] = [];

  /** To be called as soon as `what` has been started. */
  add(what: string, stop: () => unknown): void {
    this.#steps.push({ what, stop });
  }

  /**
   * Stops everything, last started first. A step that fails does not keep the others from being
   * taken; the failures are thrown together at the end. Idempotent.
   */
  async run(): Promise<void> {
    const errors: Error[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.stop();
      } catch (cause) {
        errors.push(new Error(`The ${step.what} did not stop in good order.`, { cause }));
      }
    }
    if (errors.length > 0)
      throw new AggregateError(errors, "The broker did not stop in good order.");
  }
}
