import type { Use } from "../../room.js";
import { isOpen, isWaiting } from "../../stored-message.js";
import type { MailHead, Register } from "./mail-record.js";

/** A delivery that a reader still offers. */
export interface OpenDelivery {
  readonly head: MailHead;
  register: Register;
  /** Sequence of the register in the stream of receipts; 0 where there is none. */
  revision: number;
  /** The encoded message, while a reader of this gateway is about to hand it out. */
  body: Uint8Array | undefined;
}

/** The open deliveries of one peer. */
export class Queue {
  readonly #open = new Map<number, OpenDelivery>();
  readonly #shares = new Map<string, Share>();
  #isSorted = true;
  #lastSeq = 0;
  #openMessages = 0;
  #openBytes = 0;
  waiting = 0;

  get isEmpty(): boolean {
    return this.#openMessages === 0;
  }

  /** The use of the queue by one sender, and by all; what is about to be stored counts. */
  useOf(from: string): { messages: Use; bytes: Use } {
    const own = this.#shares.get(from);
    return {
      messages: { own: own?.messages ?? 0, all: this.#openMessages },
      bytes: { own: own?.bytes ?? 0, all: this.#openBytes },
    };
  }

  /** Counts what is about to be stored. Disposal ends that: it was not, or is counted by itself. */
  reserve(from: string, sizeBytes: number): Disposable {
    this.#count(from, sizeBytes, 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#count(from, sizeBytes, -1);
        isHeld = false;
      },
    };
  }

  get(seq: number): OpenDelivery | undefined {
    return this.#open.get(seq);
  }

  add(delivery: OpenDelivery): void {
    const { seq, from, sizeBytes } = delivery.head;
    this.#open.set(seq, delivery);
    this.#isSorted &&= seq > this.#lastSeq;
    this.#lastSeq = Math.max(seq, this.#lastSeq);
    this.#count(from.peerId, sizeBytes, 1);
    if (isWaiting(delivery.register.receipt.state)) this.waiting++;
  }

  /** The register of an open delivery has changed. */
  update(delivery: OpenDelivery, register: Register): void {
    const before = isWaiting(delivery.register.receipt.state);
    const after = isWaiting(register.receipt.state) && !register.isRemoved;
    this.waiting += Number(after) - Number(before);
    delivery.register = register;
    if (register.isRemoved || !isOpen(register.receipt.state)) this.#close(delivery);
  }

  /** Oldest first. */
  *oldestFirst(): Generator<OpenDelivery> {
    if (!this.#isSorted) {
      const sorted = [...this.#open].toSorted(([a], [b]) => a - b);
      this.#open.clear();
      for (const [seq, delivery] of sorted) this.#open.set(seq, delivery);
      this.#isSorted = true;
    }
    yield* this.#open.values();
  }

  #close({ head: { seq, from, sizeBytes } }: OpenDelivery): void {
    if (this.#open.delete(seq)) this.#count(from.peerId, sizeBytes, -1);
  }

  #count(from: string, sizeBytes: number, messages: 1 | -1): void {
    this.#openMessages += messages;
    this.#openBytes += messages * sizeBytes;
    const share = this.#shares.get(from) ?? { messages: 0, bytes: 0 };
    share.messages += messages;
    share.bytes += messages * sizeBytes;
    if (share.messages === 0) this.#shares.delete(from);
    else this.#shares.set(from, share);
  }
}

interface Share {
  messages: number;
  bytes: number;
}
