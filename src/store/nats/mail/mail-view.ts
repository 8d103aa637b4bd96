import { deliveryBytes } from "../../../contract/limits.js";
import type { Use } from "../../room.js";
import { isOpen } from "../../stored-message.js";
import { AddedRecipients } from "./added-recipients.js";
import { RecentMessages } from "./recent-messages.js";
import { maxEarlyRegisters } from "../limits.js";
import type { Known } from "./history-told.js";
import { Ledger } from "./ledger.js";
import { firstRegister, type MailHead, type Register } from "./mail-record.js";
import { Queue, type OpenDelivery } from "./open-mail.js";

/** Hears what becomes open or is no more. */
export interface ViewListener {
  /** Another reader's, another gateway's, or of this gateway without a claim. */
  opened(delivery: OpenDelivery): void;
  closed(peerId: string, seq: number): void;
}

/** A register as the stream has it. */
export interface KeptRegister {
  readonly register: Register;
  /** Its sequence in the stream of receipts. */
  readonly revision: number;
}

/**
 * What this gateway knows of all mail: every kept delivery in a few bytes, and the open ones by queue. It
 * is fed by what this gateway stores and by what the streams tell. Each fact may come twice, and in
 * either order.
 */
export class MailView {
  readonly ledger = new Ledger();
  readonly recent = new RecentMessages();
  readonly added = new AddedRecipients();
  readonly #queues = new Map<string, Queue>();
  readonly #listener: ViewListener;
  /** Bytes that are about to be stored, by sender. */
  readonly #reserved = new Map<string, number>();
  #allReserved = 0;
  /** Registers of deliveries that the stream of mail has not told of yet, by seq. */
  readonly #early = new Map<number, KeptRegister>();

  /** Deliveries that were closed here by registers which the stream has not told of yet: their revisions, by seq. */
  readonly #closed = new Map<number, number>();
  /** Deliveries that are about to be open again, by seq. */
  readonly #reopening = new Map<number, KeptRegister>();
  #lastRevision = 0;
  #toldRevision = 0;
  #toldSeq = 0;
  readonly #waiting = new Set<{ readonly seq: number; readonly resolve: () => void }>();

  constructor(listener: ViewListener) {
    this.#listener = listener;
  }

  /** The last sequences that are known of the two streams. */
  get known(): Known {
    return { mail: this.ledger.lastSeq, receipts: this.#lastRevision };
  }

  queue(peerId: string): Queue {
    const queue = this.#queues.get(peerId) ?? new Queue();
    this.#queues.set(peerId, queue);
    return queue;
  }

  /** What is kept of one sender, and of all; what is about to be stored counts. */
  mailUse(from: string): Use {
    const reserved = this.#reserved.get(from) ?? 0;
    const { ledger } = this;
    return { own: ledger.bytesOf(from) + reserved, all: ledger.totalBytes + this.#allReserved };
  }

  /** Counts what is about to be stored in a queue and of all mail. Disposal ends that: it was not, or is counted by itself. */
  reserve(to: string, from: string, sizeBytes: number): Disposable {
    const ofQueue = this.queue(to).reserve(from, sizeBytes);
    const bytes = sizeBytes + deliveryBytes;
    this.#reserve(from, bytes);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        ofQueue[Symbol.dispose]();
        if (isHeld) this.#reserve(from, -bytes);
        isHeld = false;
      },
    };
  }

  #reserve(from: string, bytes: number): void {
    this.#allReserved += bytes;
    const own = (this.#reserved.get(from) ?? 0) + bytes;
    if (own === 0) this.#reserved.delete(from);
    else this.#reserved.set(from, own);
  }

  /** Every open delivery. */
  *open(): Generator<OpenDelivery> {
    for (const queue of this.#queues.values()) yield* queue.oldestFirst();
  }

  find(peerId: string, seq: number): OpenDelivery | undefined {
    return this.#queues.get(peerId)?.get(seq);
  }

  /**
   * There is a delivery. Returns it where it was not known and is open.
   *
   * @param known its register; absent: what the stream told before, or none.
   */
  add(head: MailHead, body?: Uint8Array, known?: KeptRegister): OpenDelivery | undefined {
    if (this.ledger.has(head.seq)) return undefined;
    const early = this.#early.get(head.seq);
    this.#early.delete(head.seq);
    const isOwn = early?.register.messageId === head.messageId;
    const { register, revision } = newer(known, isOwn ? early : undefined) ?? {
      register: firstRegister(head),
      revision: 0,
    };
    if (register.isRemoved) return undefined;
    this.#keep(head);
    if (!isOpen(register.receipt.state)) return undefined;
    const delivery = { head, register, revision, body };
    this.queue(head.to.peerId).add(delivery);
    return delivery;
  }

  /** The last delivery that the stream of mail has told of: readers are offered none after it. */
  get toldSeq(): number {
    return this.#toldSeq;
  }

  /** Resolves when the stream of mail has told of all up to `seq`, or when the time is over. */
  async whenTold(seq: number, patienceMs: number): Promise<void> {
    if (this.#toldSeq >= seq) return;
    await new Promise<void>((resolve) => {
      const waiting = { seq, resolve: () => end() };
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        resolve();
      };
      const timer = setTimeout(end, patienceMs);
      this.#waiting.add(waiting);
    });
  }

  /**
   * The stream of mail tells of a delivery, in its order. Returns it where it is open.
   *
   * @param body where a reader is about to hand it out
   */
  arrive(head: MailHead, body?: Uint8Array): OpenDelivery | undefined {
    const delivery = this.add(head, body) ?? this.find(head.to.peerId, head.seq);
    this.passed(head.seq);
    return delivery;
  }

  /** There is a delivery that is over. */
  addClosed(head: MailHead): void {
    this.#keep(head);
  }

  #keep(head: MailHead): void {
    this.ledger.add(head);
    this.recent.note(head);
    this.added.note(head);
  }

  /** A dead letter is open again, unless it is over by now. */
  reopen(seq: number, head: MailHead | undefined): void {
    const kept = this.#reopening.get(seq);
    this.#reopening.delete(seq);
    if (head === undefined || kept === undefined || isOver(kept.register)) return;
    const queue = this.queue(head.to.peerId);
    if (!this.ledger.has(seq) || queue.get(seq) !== undefined) return;
    const delivery = { head, ...kept, body: undefined };
    queue.add(delivery);
    this.#listener.opened(delivery);
  }

  /**
   * The stream of receipts tells where a delivery stands, in the stream's order. As `apply`. It may be late:
   * what this gateway has changed since is known here already.
   */
  hear(peerId: string, seq: number, kept: KeptRegister): boolean {
    this.#toldRevision = kept.revision;
    const closedBy = this.#closed.get(seq);
    if (closedBy !== undefined) {
      if (kept.revision < closedBy) return true;
      this.#closed.delete(seq);
    }
    if (seq > this.#toldSeq && !this.ledger.has(seq)) {
      this.#early.set(seq, kept);
      this.#lastRevision = Math.max(this.#lastRevision, kept.revision);
      const [oldest] = this.#early.keys();
      if (this.#early.size > maxEarlyRegisters && oldest !== undefined) this.#early.delete(oldest);
      return true;
    }
    return this.apply(peerId, seq, kept);
  }

  /**
   * A delivery stands so, as the engine answered. False where it is not open here and would be by this: then
   * `reopen` is called for, with its message.
   */
  apply(peerId: string, seq: number, kept: KeptRegister): boolean {
    const { register, revision } = kept;
    this.#lastRevision = Math.max(this.#lastRevision, revision);
    if (register.isRemoved) this.forget(seq);
    const delivery = this.find(peerId, seq);
    if (delivery !== undefined && delivery.head.messageId !== register.messageId) return true;
    if (delivery !== undefined && delivery.revision >= revision) return true;
    if (isOver(register) && revision > this.#toldRevision) this.#closed.set(seq, revision);
    if (delivery === undefined) {
      const before = this.#reopening.get(seq);
      if (before === undefined && isOver(register)) return true;
      if (before === undefined || before.revision < revision) this.#reopening.set(seq, kept);
      return isOver(register);
    }
    delivery.revision = revision;
    this.queue(peerId).update(delivery, register);
    if (isOver(register)) this.#listener.closed(peerId, seq);
    return true;
  }

  /** The delivery is not kept any more, and was over. */
  forget(seq: number): void {
    this.ledger.remove(seq);
    this.added.forget(seq);
  }

  /** The delivery is not kept any more, though it is open here. */
  drop(peerId: string, seq: number): void {
    const delivery = this.find(peerId, seq);
    if (delivery === undefined) return;
    this.forget(seq);
    this.queue(peerId).update(delivery, { ...delivery.register, isRemoved: true });
    this.#listener.closed(peerId, seq);
  }

  /** The stream of mail has told of all up to this one: what it left out is gone. */
  passed(seq: number): void {
    this.#toldSeq = seq;
    for (const one of this.#waiting) {
      if (one.seq > seq) continue;
      this.#waiting.delete(one);
      one.resolve();
    }
    for (const early of this.#early.keys()) if (early <= seq) this.#early.delete(early);
  }
}

/** No reader offers the delivery any more. */
function isOver({ isRemoved, receipt }: Register): boolean {
  return isRemoved || !isOpen(receipt.state);
}

function newer(a: KeptRegister | undefined, b: KeptRegister | undefined): KeptRegister | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.revision >= b.revision ? a : b;
}
