import type { Clock } from "../clock.js";
import type {
  AdvancedReceipt,
  QueueBacklog,
  QueuedMessage,
  QueueListener,
  QueueReader,
} from "../broker/store.js";

/** The open messages of queues, as a technology finds and leases them. */
export interface OpenMail {
  /**
   * Leases the oldest open messages at `position`, within the credit, and dead-letters those that it
   * finds damaged. `reach` is the seq of the last message looked at, whether it was taken, closed or
   * damaged; 0 when there was none. Takes happen in the order they are asked for, as do the changes
   * that open a message again.
   */
  take(peerId: string, position: Position, credit: Credit): Promise<Taken>;

  /** What `take` would find with unlimited credit. */
  backlog(peerId: string, position: Position): Promise<QueueBacklog>;
}

export interface Taken {
  readonly messages: QueuedMessage[];
  readonly damaged: readonly AdvancedReceipt[];
  readonly reach: number;
}

/** Where a reader stands: it has handed out everything up to `after` except what was `returned`. */
export interface Position {
  readonly after: number;
  /** Ascending. */
  readonly returned: readonly number[];
}

export interface Credit {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** The open readers of a store, at most one for each queue. */
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

  /** Tells the queue's reader, if there is one, that the queue holds another message. */
  wake(peerId: string): void {
    this.#readers.get(peerId)?.wake();
  }

  /**
   * Call it before a closed message is opened again, and call what it returns after that. A reader that
   * has passed the message by then is offered it again. What the reader asks for later meets the message
   * by itself, so that it is not offered twice.
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

  /** How far the reader will have come with what it has asked for by now. */
  get reached(): Promise<number> {
    return this.#reached;
  }

  async next(credit: Credit): Promise<QueuedMessage[]> {
    if (this.#closed || credit.maxMessages < 1) return [];
    const position = this.#position();
    const taking = this.#mail.take(this.#peerId, position, credit);
    this.#reached = taking.then(
      ({ reach }) => Math.max(position.after, reach),
      () => position.after,
    );
    const { messages, damaged, reach } = await taking;
    // Nobody meets these again, so the listener hears of them even after the reader was closed.
    if (damaged.length > 0) setImmediate(() => this.#tell(damaged));
    // What a reader closed meanwhile leased is the next reader's.
    if (this.#closed) return [];
    for (const seq of position.returned) if (seq <= reach) this.#returned.delete(seq);
    this.#after = Math.max(this.#after, reach);
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

  /** Asks for `wake` in a turn of its own, once for all that came in this one. */
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

  /** Forgets that the message was given back. */
  #withdraw(seq: number): void {
    this.#delays.get(seq)?.[Symbol.dispose]();
    this.#delays.delete(seq);
    this.#returned.delete(seq);
  }

  #tell(damaged: readonly AdvancedReceipt[]): void {
    for (const one of damaged) this.#listener.damaged(one);
  }
}
