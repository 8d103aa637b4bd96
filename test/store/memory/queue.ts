import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { QueuedMessage } from "../../../src/broker/store/queues.js";
import type { Clock } from "../../../src/clock.js";
import { maxBacklogSenders } from "../../../src/store/limits.js";
import type { OpenMail } from "../../../src/store/queue-readers.js";
import type { Use } from "../../../src/store/room.js";
import { isWaiting, leased, toReceipt } from "../../../src/store/stored-message.js";
import type { Delivery } from "./message-table.js";

/** The open deliveries of one peer. */
export class Queue {
  readonly #open = new Map<number, Delivery>();
  #openBytes = 0;
  /** The use of each sender. */
  readonly #shares = new Map<string, { messages: number; bytes: number }>();

  /** The deliveries that were not presented. */
  get waiting(): Delivery[] {
    return [...this.#open.values()].filter(({ receipt }) => isWaiting(receipt.state));
  }

  /** The use of the queue by one sender, and by all. */
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

  /** Removes the delivery, if it is open. */
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

  /** The open deliveries among the seqs given and after `after`, oldest first. */
  *from(returned: readonly number[], after: number): Generator<Delivery> {
    // A redriven delivery is last in the map, whatever its seq.
    const later = [...this.#open.keys()].filter((seq) => seq > after).toSorted((a, b) => a - b);
    for (const seq of [...returned, ...later]) {
      const delivery = this.#open.get(seq);
      if (delivery !== undefined) yield delivery;
    }
  }
}

/** The open mail of queues, for their readers. */
export function openMail(queueOf: (peerId: string) => Queue, clock: Clock): OpenMail {
  return {
    async take(peerId, { returned, after }, { maxMessages, maxBytes }) {
      const messages: QueuedMessage[] = [];
      let lastSeq = 0;
      let bytes = 0;
      let isAll = true;
      for (const delivery of queueOf(peerId).from(returned, after)) {
        const { sizeBytes } = delivery.entry;
        const exceeds = messages.length > 0 && bytes + sizeBytes > maxBytes;
        if (messages.length >= maxMessages || exceeds) {
          isAll = false;
          break;
        }
        messages.push(lease(delivery, clock.now()));
        lastSeq = delivery.receipt.seq;
        bytes += sizeBytes;
      }
      return { messages, damaged: [], lastSeq, isAll };
    },

    async backlog(peerId, { returned, after }) {
      const deliveries = [...queueOf(peerId).from(returned, after)];
      const senders = new Map<string, string>();
      for (const { entry } of deliveries) {
        if (!senders.has(entry.from.peerId)) senders.set(entry.from.peerId, entry.from.name);
      }
      return {
        unread: deliveries.length,
        senders: [...senders]
          .slice(0, maxBacklogSenders)
          .map(([senderPeerId, name]) => ({ peerId: senderPeerId, name })),
      };
    },
  };
}

/** Leases a delivery, and gives what its reader hands out. */
export function lease(delivery: Delivery, nowMs: number): QueuedMessage {
  const redelivered = delivery.isRedriven || delivery.receipt.state !== ReceiptState.QUEUED;
  delivery.receipt = leased(delivery.receipt, nowMs);
  return {
    message: delivery.entry.message,
    receipt: toReceipt(delivery.receipt),
    sizeBytes: delivery.entry.sizeBytes,
    redelivered,
  };
}
