import type { QueuedMessage, QueueReader } from "../broker/store.js";

/** The open messages of queues, as a technology finds and leases them. */
export interface OpenMail {
  /**
   * Leases the oldest open messages at `position`, within the credit. `reach` is the seq of the last
   * message looked at, whether it was taken, closed or damaged; 0 when there was none.
   */
  take(
    peerId: string,
    position: Position,
    credit: Credit,
  ): Promise<{ messages: QueuedMessage[]; reach: number }>;

  /** What `take` would find with unlimited credit. */
  backlog(peerId: string, position: Position): Promise<{ unread: number; senders: string[] }>;
}

/** Where a reader stands: it has handed out everything up to `after` save what was `returned`. */
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
  readonly #readers = new Map<string, Reader>();

  constructor(mail: OpenMail) {
    this.#mail = mail;
  }

  open(peerId: string, wake: () => void): QueueReader {
    this.#readers.get(peerId)?.close();
    const reader = new Reader(this.#mail, peerId, wake, () => {
      this.#readers.delete(peerId);
    });
    this.#readers.set(peerId, reader);
    return reader;
  }

  /** Tells the queue's reader, if there is one, that the queue holds another message. */
  wake(peerId: string): void {
    this.#readers.get(peerId)?.wake();
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }
}

class Reader implements QueueReader {
  readonly #mail: OpenMail;
  readonly #peerId: string;
  readonly #wake: () => void;
  readonly #onClose: () => void;
  readonly #returned = new Set<number>();
  readonly #delays = new Map<number, NodeJS.Timeout>();
  #after = 0;
  #wakes = false;
  #closed = false;

  constructor(mail: OpenMail, peerId: string, wake: () => void, onClose: () => void) {
    this.#mail = mail;
    this.#peerId = peerId;
    this.#wake = wake;
    this.#onClose = onClose;
  }

  async next(credit: Credit): Promise<QueuedMessage[]> {
    if (this.#closed || credit.maxMessages < 1) return [];
    const position = this.#position();
    const { messages, reach } = await this.#mail.take(this.#peerId, position, credit);
    // What a reader closed meanwhile leased is the next reader's.
    if (this.#closed) return [];
    for (const seq of position.returned) if (seq <= reach) this.#returned.delete(seq);
    this.#after = Math.max(this.#after, reach);
    return messages;
  }

  async backlog(): Promise<{ unread: number; senders: string[] }> {
    if (this.#closed) return { unread: 0, senders: [] };
    return this.#mail.backlog(this.#peerId, this.#position());
  }

  giveBack(seq: bigint, delayMs: number): void {
    const returned = Number(seq);
    if (this.#closed || returned > this.#after) return;
    clearTimeout(this.#delays.get(returned));
    this.#delays.delete(returned);
    this.#returned.delete(returned);
    if (delayMs <= 0) return this.#offerAgain(returned);
    const delay = setTimeout(() => this.#offerAgain(returned), delayMs).unref();
    this.#delays.set(returned, delay);
  }

  /** Asks for `wake` in a turn of its own, once for all that came in this one. */
  wake(): void {
    if (this.#wakes || this.#closed) return;
    this.#wakes = true;
    setImmediate(() => {
      this.#wakes = false;
      if (!this.#closed) this.#wake();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const delay of this.#delays.values()) clearTimeout(delay);
    this.#delays.clear();
    this.#onClose();
  }

  #position(): Position {
    return { after: this.#after, returned: [...this.#returned].toSorted((a, b) => a - b) };
  }

  #offerAgain(seq: number): void {
    this.#delays.delete(seq);
    this.#returned.add(seq);
    this.wake();
  }
}
