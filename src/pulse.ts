/**
 * Wakes, each time it beats, all who wait for the next beat. A beat is not remembered. So look first
 * whether there is something to do. If not, wait in the same turn of the event loop.
 */
export class Pulse {
  readonly #waiting = new Set<() => void>();

  beat(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the next beat; rejects with the signal's reason when it aborts first. */
  async next(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(end);
        signal?.removeEventListener("abort", end);
        if (signal?.aborted === true) reject(signal.reason as Error);
        else resolve();
      };
      this.#waiting.add(end);
      signal?.addEventListener("abort", end);
    });
  }
}
