import { isOpen, isWaiting } from "../ladder.js";
import type { StoreLimits } from "../limits.js";
import type { Delivery } from "./entry.js";

/** The open deliveries of one peer, oldest first. */
export class Queue {
  readonly #open = new Map<number, Delivery>();
  #openBytes = 0;

  get waiting(): number {
    return [...this.#open.values()].filter(({ receipt }) => isWaiting(receipt.state)).length;
  }

  isFullFor(sizeBytes: number, limits: StoreLimits): boolean {
    return (
      this.#open.size >= limits.maxQueueMessages ||
      this.#openBytes + sizeBytes > limits.maxQueueBytes
    );
  }

  add(delivery: Delivery): void {
    this.#open.set(delivery.receipt.seq, delivery);
    this.#openBytes += delivery.entry.sizeBytes;
  }

  /** To be called when a receipt moved: a closed delivery leaves the queue. */
  settle({ entry, receipt }: Delivery): void {
    if (isOpen(receipt.state) || !this.#open.delete(receipt.seq)) return;
    this.#openBytes -= entry.sizeBytes;
  }

  /** The open deliveries among the seqs given and after `after`, oldest first. */
  *from(returned: readonly number[], after: number): Generator<Delivery> {
    for (const seq of returned) {
      const delivery = this.#open.get(seq);
      if (delivery !== undefined) yield delivery;
    }
    for (const [seq, delivery] of this.#open) if (seq > after) yield delivery;
  }
}
