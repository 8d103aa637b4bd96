import type { ReceiverListener } from "./receiver.js";

export type ArrivalState = "seen" | "confirmed";

interface Expectation {
  readonly state: ArrivalState;
  readonly count: number;
  readonly met: (error?: Error) => void;
}

/** Counts what comes to all receivers of a process, from a mark on: what comes early is not missed. */
export class Arrivals implements ReceiverListener {
  readonly #expected = new Set<Expectation>();
  #counts = { seen: 0, confirmed: 0 };
  #failure: Error | undefined;

  mark(): void {
    this.#counts = { seen: 0, confirmed: 0 };
  }

  /** Resolves when so many have come since the mark; rejects when one of the receivers has failed. */
  async expect(count: number, state: ArrivalState): Promise<void> {
    const error = await new Promise<Error | undefined>((met) => {
      this.#expected.add({ state, count, met });
      this.#settle();
    });
    if (error !== undefined) throw error;
  }

  seen(): void {
    this.#counts.seen += 1;
    this.#settle();
  }

  confirmed(count: number): void {
    this.#counts.confirmed += count;
    this.#settle();
  }

  failed(error: Error): void {
    this.#failure ??= error;
    this.#settle();
  }

  #settle(): void {
    for (const expectation of this.#expected) {
      const { state, count, met } = expectation;
      if (this.#failure === undefined && this.#counts[state] < count) continue;
      this.#expected.delete(expectation);
      met(this.#failure);
    }
  }
}
