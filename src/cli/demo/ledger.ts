import { shortId } from "../../contract/ids.js";

/** What was sent to whom, and who got it how often, by the results of the tools alone. */
export class Ledger {
  readonly #messages = new Set<string>();
  /** How often each recipient of each message got it. */
  readonly #deliveries = new Map<string, number>();
  #strange = 0;

  sent(messageId: string, to: readonly string[]): void {
    this.#messages.add(shortId(messageId));
    for (const name of to) this.#deliveries.set(keyOf(name, messageId), 0);
  }

  received(name: string, messageId: string): void {
    const key = keyOf(name, messageId);
    const times = this.#deliveries.get(key);
    if (times === undefined) this.#strange++;
    else this.#deliveries.set(key, times + 1);
  }

  get tally(): Tally {
    const times = [...this.#deliveries.values()];
    return {
      messages: this.#messages.size,
      deliveries: times.length,
      once: times.filter((count) => count === 1).length,
      lost: times.filter((count) => count === 0).length,
      repeated: times.filter((count) => count > 1).length,
      strange: this.#strange,
    };
  }
}

export interface Tally {
  /** Messages sent. */
  readonly messages: number;
  /** Messages counted once for each recipient. */
  readonly deliveries: number;
  readonly once: number;
  readonly lost: number;
  readonly repeated: number;
  /** Messages that were shown to someone to whom nobody sent them. */
  readonly strange: number;
}

function keyOf(name: string, messageId: string): string {
  return `${name}/${shortId(messageId)}`;
}
