import type { Receipt } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import type {
  AdvancedReceipt,
  QueueBacklog,
  QueuedMessage,
  QueueListener,
  QueueReader,
} from "../broker/store/queues.js";

import { countWithin, OpenReaders } from "./open-readers.js";

/** How a technology finds and leases the open messages of queues. */
export interface OpenMail {
  /**
   * Leases the oldest open messages at `position`, within the credit, and dead-letters damaged ones.
   * `lastSeq` is that of the last message that it looked at; 0 when there was none. Takes, accepts, and
   * changes that open a message again, happen and are answered in the order of their calls.
   */
  take(peerId: string, position: Position, credit: Credit): Promise<Taken>;

  /** What `take` would find with unlimited credit. */
  backlog(peerId: string, position: Position): Promise<QueueBacklog>;
}

export interface Taken {
  readonly messages: QueuedMessage[];
  readonly damaged: readonly AdvancedReceipt[];
  readonly lastSeq: number;
  /** It looked at every open message: none was left for want of credit. */
  readonly isAll: boolean;
}

/** A reader has handed out every message up to `after`, except those that were `returned`. */
export interface Position {
  readonly after: number;
  /** Ascending. */
  readonly returned: readonly number[];
}

export interface Credit {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** A reader's promise to hand out a message that is about to be stored, which is stored as leased then. */
export interface Claim {
  /** The message is stored. */
  handOut(queued: QueuedMessage): void;
  /** It was not stored now. */
  release(): void;
  /** Nobody knows whether it was stored: the reader looks for it. */
  doubt(): void;
}

/**
 * The open readers of a store. A queue has at most one.
 *
 * A message for a reader that waits with credit needs no `take`: it is stored as leased, and handed out as
 * soon as that is durable. For that a store has to `claim` before each message that it stores.
 */
export class QueueReaders {
  readonly #mail: OpenMail;
  readonly #clock: Clock;
  readonly #readers = new OpenReaders<Reader>();

  constructor(mail: OpenMail, clock: Clock) {
    this.#mail = mail;
    this.#clock = clock;
  }

  open({ peerId, epoch }: { peerId: string; epoch: number }, listener: QueueListener): QueueReader {
    const of = { mail: this.#mail, clock: this.#clock, peerId, epoch, listener };
    return this.#readers.open(peerId, (onClose) => new Reader(of, onClose));
  }

  /**
   * To be called for each recipient, before a message is stored. With a claim the message is stored as
   * leased, and the claim is settled. Without one the recipient's reader is to be woken afterwards.
   */
  claim(peerId: string, sizeBytes: number): Claim | undefined {
    return this.#readers.get(peerId)?.claim(sizeBytes);
  }

  /** To be called with what was removed or closed: it is not handed out any more. */
  withdraw(receipts: readonly Receipt[]): void {
    for (const { recipient, seq } of receipts) {
      if (recipient !== undefined) this.#readers.get(recipient.peerId)?.withdraw(seq);
    }
  }

  /** Tells the queue's reader, if there is one, of another message. */
  wake(peerId: string): void {
    this.#readers.get(peerId)?.wake();
  }

  /**
   * Call this before a closed message is opened again, and call the function that it returns afterwards.
   * That function offers the message again to a reader that has already passed it. A reader that has not
   * will meet the message by itself. So the message is offered once.
   */
  reopening(peerId: string): (seq: number) => Promise<void> {
    const reader = this.#readers.get(peerId);
    const reach = reader?.reopening();
    return async (seq) => {
      if (reach !== undefined && seq <= (await reach())) reader?.offerAgain(seq);
      this.wake(peerId);
    };
  }

  close(): void {
    this.#readers.close();
  }
}

/**
 * A reader is *drained* when it has handed out, or claimed, every open message of its queue. Then it waits
 * with the credit of the last `next`, and needs no look into the queue: what comes is claimed, and is
 * *ready* once it is stored. A message that it does not claim, for want of credit, ends that.
 */
class Reader implements QueueReader {
  readonly #mail: OpenMail;
  readonly #clock: Clock;
  readonly #peerId: string;
  readonly #listener: QueueListener;
  readonly #onClose: () => void;
  /** Of the session that reads. */
  readonly epoch: number;
  readonly #returned = new Set<number>();
  readonly #delays = new Map<number, Disposable>();
  /** Stored and leased, not handed out; in the order of the queue. */
  readonly #ready: QueuedMessage[] = [];
  readonly #claims = new Set<{ seq: number; readonly sizeBytes: number }>();
  /** Of the credit of the last `next`, what is not claimed. */
  #freeMessages = 0;
  #freeBytes = 0;
  #isDrained = false;
  /** Something was stored without a claim since the last take began. */
  #isBehind = false;
  #after = 0;
  #taking = Promise.resolve(0);
  #wakes = false;
  #closed = false;

  constructor(
    of: { mail: OpenMail; clock: Clock; peerId: string; epoch: number; listener: QueueListener },
    onClose: () => void,
  ) {
    this.#mail = of.mail;
    this.#clock = of.clock;
    this.#peerId = of.peerId;
    this.epoch = of.epoch;
    this.#listener = of.listener;
    this.#onClose = onClose;
  }

  /**
   * Something else than a new message will be open again. Returns how far the reader was by then, takes
   * and claims under way included; to be asked once it is open.
   */
  reopening(): () => Promise<number> {
    this.#fallBehind();
    const after = this.#after;
    const taking = this.#taking;
    const claims = [...this.#claims];
    return async () => Math.max(after, await taking, ...claims.map(({ seq }) => seq));
  }

  claim(sizeBytes: number): Claim | undefined {
    const fits = this.#freeMessages >= 1 && this.#freeBytes >= sizeBytes;
    if (!this.#isDrained || !fits) {
      this.#fallBehind();
      return undefined;
    }
    this.#freeMessages -= 1;
    this.#freeBytes -= sizeBytes;
    const claim = { seq: 0, sizeBytes };
    this.#claims.add(claim);
    const settle = (): void => {
      this.#claims.delete(claim);
      this.wake();
    };
    return {
      handOut: (queued) => {
        claim.seq = Number(queued.receipt.seq);
        this.#after = Math.max(this.#after, claim.seq);
        this.#ready.push(queued);
        settle();
      },
      release: settle,
      doubt: () => {
        this.#fallBehind();
        settle();
      },
    };
  }

  withdraw(seq: bigint): void {
    const index = this.#ready.findIndex(({ receipt }) => receipt.seq === seq);
    if (index !== -1) this.#ready.splice(index, 1);
  }

  async next(credit: Credit): Promise<QueuedMessage[]> {
    if (this.#closed || credit.maxMessages < 1) return [];
    if (this.#ready.length > 0) return this.#ready.splice(0, countWithin(this.#ready, credit));
    this.#freeMessages = credit.maxMessages - this.#claims.size;
    this.#freeBytes = [...this.#claims].reduce(
      (free, one) => free - one.sizeBytes,
      credit.maxBytes,
    );
    // Each claim wakes the reader once it is settled.
    return this.#isDrained || this.#claims.size > 0 ? [] : this.#take(credit);
  }

  async #take(credit: Credit): Promise<QueuedMessage[]> {
    const position = this.#position();
    this.#isBehind = false;
    const taking = this.#mail.take(this.#peerId, position, credit);
    this.#taking = taking.then(
      ({ lastSeq }) => lastSeq,
      () => 0,
    );
    const { messages, damaged, lastSeq, isAll } = await taking;
    // Nobody meets these again, so a closed reader's listener hears of them, too.
    if (damaged.length > 0) setImmediate(() => this.#tell(damaged));
    // If the reader was closed meanwhile, its leases go to the next reader.
    if (this.#closed) return [];
    for (const seq of position.returned) if (seq <= lastSeq) this.#returned.delete(seq);
    this.#after = Math.max(this.#after, lastSeq);
    this.#isDrained = isAll && !this.#isBehind;
    this.#freeMessages -= messages.length;
    for (const { sizeBytes } of messages) this.#freeBytes -= sizeBytes;
    return messages;
  }

  #fallBehind(): void {
    this.#isDrained = false;
    this.#isBehind = true;
  }

  async backlog(): Promise<QueueBacklog> {
    if (this.#closed) return { unread: 0, senders: [] };
    return this.#mail.backlog(this.#peerId, this.#position());
  }

  giveBack(seq: bigint, delayMs: number): void {
    const returned = Number(seq);
    if (this.#closed || returned > this.#after) return;
    if (delayMs <= 0) return this.offerAgain(returned);
    this.#recall(returned);
    const delay = this.#clock.after(delayMs, () => this.offerAgain(returned));
    this.#delays.set(returned, delay);
  }

  offerAgain(seq: number): void {
    if (this.#closed) return;
    this.#recall(seq);
    this.#returned.add(seq);
    this.#fallBehind();
    this.wake();
  }

  /** Rings the listener in the next turn of the event loop, once for all messages of this turn. */
  wake(): void {
    if (this.#wakes || this.#closed) return;
    this.#wakes = true;
    setImmediate(() => {
      this.#wakes = false;
      if (!this.#closed) this.#listener.wake();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const delay of this.#delays.values()) delay[Symbol.dispose]();
    this.#delays.clear();
    this.#onClose();
  }

  #position(): Position {
    return { after: this.#after, returned: [...this.#returned].toSorted((a, b) => a - b) };
  }

  /** Forgets that the message was returned. */
  #recall(seq: number): void {
    this.#delays.get(seq)?.[Symbol.dispose]();
    this.#delays.delete(seq);
    this.#returned.delete(seq);
  }

  #tell(damaged: readonly AdvancedReceipt[]): void {
    for (const one of damaged) this.#listener.damaged(one);
  }
}
