import { isOpen, isWaiting } from "../ladder.js";
import type { StoreLimits } from "../limits.js";
import type { Delivery } from "./entry.js";

/** The open deliveries of one peer. */
export class Queue {
  readonly #open = new Map<number, Delivery>();
  #openBytes = 0;

  /** What has not been presented. */
  get waiting(): Delivery[] {
    return [...this.#open.values()].filter(({ receipt }) => isWaiting(receipt.state));
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
    // What was redriven stands last in the map.
    const seqs = [...this.#open.keys()].filter((seq) => seq > after);
    for (const seq of seqs.toSorted((a, b) => a - b)) {
      const delivery = this.#open.get(seq);
      if (delivery !== undefined) yield delivery;
    }
  }
}
