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

/**
 * Waits for a reason to stop: a signal of the operating system, an abort, or a call of `ask`. The
 * first one counts. A signal that comes after that is from someone who will not wait: it calls
 * `insist`.
 */
export class StopRequest implements Disposable {
  /** Resolves to what asked, for example `SIGTERM`. */
  readonly asked: Promise<string>;
  readonly ask: (by: string) => void;
  readonly #insist: (by: string) => void;
  readonly #abort: AbortSignal | undefined;
  #isAsked = false;

  constructor(options: { abort: AbortSignal | undefined; insist: (by: string) => void }) {
    const { promise, resolve } = newDeferred();
    this.asked = promise;
    this.ask = (by) => {
      this.#isAsked = true;
      resolve(by);
    };
    this.#insist = options.insist;
    this.#abort = options.abort;
    for (const name of signals) process.on(name, this.#onSignal);
    this.#abort?.addEventListener("abort", this.#onAbort);
    if (this.#abort?.aborted) this.#onAbort();
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.off(name, this.#onSignal);
    this.#abort?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.#isAsked) this.#insist(name);
    else this.ask(name);
  };

  readonly #onAbort = (): void => this.ask("an abort");
}

const signals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP"];

function newDeferred(): { promise: Promise<string>; resolve: (by: string) => void } {
  let resolve!: (by: string) => void;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
