import type { Clock } from "../clock.js";
import type {
  AdvancedReceipt,
  QueueBacklog,
  QueuedMessage,
  QueueListener,
  QueueReader,
} from "../broker/store.js";

/** How a technology finds and leases the open messages of queues. */
export interface OpenMail {
  /**
   * Leases the oldest open messages at `position`, within the credit, and dead-letters damaged ones.
   * `lastSeq` is that of the last message that it looked at; 0 when there was none. Takes, and changes
   * that open a message again, happen in the order of their calls.
   */
  take(peerId: string, position: Position, credit: Credit): Promise<Taken>;

  /** What `take` would find with unlimited credit. */
  backlog(peerId: string, position: Position): Promise<QueueBacklog>;
}

export interface Taken {
  readonly messages: QueuedMessage[];
  readonly damaged: readonly AdvancedReceipt[];
  readonly lastSeq: number;
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

/** The open readers of a store. A queue has at most one. */
export class QueueReaders {
  readonly #mail: OpenMail;
  readonly #clock: Clock;
  readonly #readers = new Map<string, Reader>();

  constructor(mail: OpenMail, clock: Clock) {
    this.#mail = mail;
    this.#clock = clock;
  }

  open(peerId: string, listener: QueueListener): QueueReader {
    this.#readers.get(peerId)?.close();
    const reader = new Reader(this.#mail, this.#clock, peerId, listener, () => {
      this.#readers.delete(peerId);
    });
    this.#readers.set(peerId, reader);
    return reader;
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
    const reached = reader?.reached;
    return async (seq) => {
      if (reached !== undefined && seq <= (await reached)) reader?.offerAgain(seq);
      this.wake(peerId);
    };
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }
}

class Reader implements QueueReader {
  readonly #mail: OpenMail;
  readonly #clock: Clock;
  readonly #peerId: string;
  readonly #listener: QueueListener;
  readonly #onClose: () => void;
  readonly #returned = new Set<number>();
  readonly #delays = new Map<number, Disposable>();
  #after = 0;
  #reached = Promise.resolve(0);
  #wakes = false;
  #closed = false;

  constructor(
    mail: OpenMail,
    clock: Clock,
    peerId: string,
    listener: QueueListener,
    onClose: () => void,
  ) {
    this.#mail = mail;
    this.#clock = clock;
    this.#peerId = peerId;
    this.#listener = listener;
    this.#onClose = onClose;
  }

  /** How far the reader is when the takes under way have ended. */
  get reached(): Promise<number> {
    return this.#reached;
  }

  async next(credit: Credit): Promise<QueuedMessage[]> {
    if (this.#closed || credit.maxMessages < 1) return [];
    const position = this.#position();
    const taking = this.#mail.take(this.#peerId, position, credit);
    this.#reached = taking.then(
      ({ lastSeq }) => Math.max(position.after, lastSeq),
      () => position.after,
    );
    const { messages, damaged, lastSeq } = await taking;
    // Nobody meets these again, so a closed reader's listener hears of them, too.
    if (damaged.length > 0) setImmediate(() => this.#tell(damaged));
    // If the reader was closed meanwhile, its leases go to the next reader.
    if (this.#closed) return [];
    for (const seq of position.returned) if (seq <= lastSeq) this.#returned.delete(seq);
    this.#after = Math.max(this.#after, lastSeq);
    return messages;
  }

  async backlog(): Promise<QueueBacklog> {
    if (this.#closed) return { unread: 0, senders: [] };
    return this.#mail.backlog(this.#peerId, this.#position());
  }

  giveBack(seq: bigint, delayMs: number): void {
    const returned = Number(seq);
    if (this.#closed || returned > this.#after) return;
    if (delayMs <= 0) return this.offerAgain(returned);
    this.#withdraw(returned);
    const delay = this.#clock.after(delayMs, () => this.offerAgain(returned));
    this.#delays.set(returned, delay);
  }

  offerAgain(seq: number): void {
    if (this.#closed) return;
    this.#withdraw(seq);
    this.#returned.add(seq);
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
  #withdraw(seq: number): void {
    this.#delays.get(seq)?.[Symbol.dispose]();
    this.#delays.delete(seq);
    this.#returned.delete(seq);
  }

  #tell(damaged: readonly AdvancedReceipt[]): void {
    for (const one of damaged) this.#listener.damaged(one);
  }
}
