import { isOpen, isWaiting } from "../ladder.js";
import type { Use } from "../room.js";
import type { Delivery } from "./entry.js";

/** The open deliveries of one peer. */
export class Queue {
  readonly #open = new Map<number, Delivery>();
  #openBytes = 0;
  /** What of it is whose. */
  readonly #shares = new Map<string, { messages: number; bytes: number }>();

  /** What has not been presented. */
  get waiting(): Delivery[] {
    return [...this.#open.values()].filter(({ receipt }) => isWaiting(receipt.state));
  }

  /** What of the queue is used by one sender, and by all. */
  useOf(senderPeerId: string): { messages: Use; bytes: Use } {
    const own = this.#shares.get(senderPeerId);
    return {
      messages: { own: own?.messages ?? 0, all: this.#open.size },
      bytes: { own: own?.bytes ?? 0, all: this.#openBytes },
    };
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  add(delivery: Delivery): void {
    this.#open.set(delivery.receipt.seq, delivery);
    this.#count(delivery, 1);
  }

  /** An open delivery is removed. */
  remove(delivery: Delivery): void {
    if (this.#open.delete(delivery.receipt.seq)) this.#count(delivery, -1);
  }

  #count({ entry: { from, sizeBytes } }: Delivery, messages: 1 | -1): void {
    this.#openBytes += messages * sizeBytes;
    const share = this.#shares.get(from.peerId) ?? { messages: 0, bytes: 0 };
    share.messages += messages;
    share.bytes += messages * sizeBytes;
    if (share.messages === 0) this.#shares.delete(from.peerId);
    else this.#shares.set(from.peerId, share);
  }

  /** To be called when a receipt moved: a closed delivery leaves the queue. */
  settle(delivery: Delivery): void {
    if (!isOpen(delivery.receipt.state)) this.remove(delivery);
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
