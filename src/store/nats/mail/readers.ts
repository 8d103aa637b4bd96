import type { Clock } from "../../../clock.js";
import type {
  AdvancedReceipt,
  QueueBacklog,
  QueuedMessage,
  QueueListener,
  QueueReader,
} from "../../../broker/store/queues.js";
import { StoreError } from "../../../broker/store/store.js";
import { maxBacklogSenders } from "../../limits.js";
import { countWithin, OpenReaders } from "../../open-readers.js";
import type { Claim, Credit } from "../../queue-readers.js";
import { leaseRetryMs } from "../limits.js";
import type { OpenDelivery, Queue } from "./open-mail.js";

/** What readers need of the rest. */
export interface LeasedMail {
  queue(peerId: string): Queue;
  /** The last delivery whose turn in the stream has come. */
  readonly toldSeq: number;
  /** Resolves when this gateway knows where each delivery stood at the call, whoever had moved it. UNAVAILABLE. */
  catchUp(): Promise<void>;
  /**
   * Makes sure that the delivery is LEASED for this epoch, and reads its message. `gone` where it is open no
   * more; `damaged` where its message cannot be read, and it is a dead letter now; `fenced` where a later
   * epoch has it.
   */
  lease(delivery: OpenDelivery, epoch: number): Promise<Lease>;
}

export type Lease =
  | { readonly state: "leased"; readonly queued: QueuedMessage }
  | { readonly state: "damaged"; readonly deadLettered: AdvancedReceipt }
  | { readonly state: "gone" | "fenced" };

/** The open readers of this gateway: at most one for each queue. */
export class Readers {
  readonly #mail: LeasedMail;
  readonly #clock: Clock;
  readonly #readers = new OpenReaders<Reader>();

  constructor(mail: LeasedMail, clock: Clock) {
    this.#mail = mail;
    this.#clock = clock;
  }

  open({ peerId, epoch }: { peerId: string; epoch: number }, listener: QueueListener): QueueReader {
    const queue = this.#mail.queue(peerId);
    const of = { mail: this.#mail, clock: this.#clock, queue, epoch, listener };
    return this.#readers.open(peerId, (onClose) => new Reader(of, onClose));
  }

  /** Whether what comes for this peer is about to be handed out here. */
  reads(peerId: string): boolean {
    return this.#readers.has(peerId);
  }

  /** As QueueReaders' own, with the epoch that the message is leased for. */
  claim(peerId: string, sizeBytes: number): (Claim & { readonly epoch: number }) | undefined {
    return this.#readers.get(peerId)?.claim(sizeBytes);
  }

  opened({ head: { to, seq } }: OpenDelivery): void {
    this.#readers.get(to.peerId)?.opened(seq);
  }

  closed(peerId: string, seq: number): void {
    this.#readers.get(peerId)?.closed(seq);
  }

  close(): void {
    this.#readers.close();
  }
}

/**
 * Offers what is open in a queue and was not handed out, oldest first. When nothing is left it is *drained*.
 * Then it waits with the credit of the last `next`. What this gateway stores for it is claimed, so that it is
 * leased with its acceptance.
 */
class Reader implements QueueReader {
  readonly epoch: number;
  readonly #mail: LeasedMail;
  readonly #clock: Clock;
  readonly #queue: Queue;
  readonly #listener: QueueListener;
  readonly #onClose: () => void;
  /** Handed out, claimed, or given back and not due yet; open all of them. */
  readonly #held = new Set<number>();
  readonly #delays = new Map<number, Disposable>();
  /** Given back: they may have been handed out before. */
  readonly #returned = new Set<number>();
  /** Claimed and stored, not handed out. */
  readonly #ready: QueuedMessage[] = [];
  /** Claimed and stored, but an older one had not been handed out by then: they are not held. */
  readonly #overtaking = new Set<number>();
  readonly #closing = new AbortController();
  #isCurrent = false;
  #isCatchingUp = false;
  #claimedMessages = 0;
  #claimedBytes = 0;
  /** Of the credit of the last `next`, what is not claimed. */
  #freeMessages = 0;
  #freeBytes = 0;
  #isDrained = false;
  /** Something whose turn has come is open and was not handed out. */
  #isBehind = true;
  #wakes = false;
  #retry: Disposable | undefined;
  #closed = false;

  constructor(
    of: { mail: LeasedMail; clock: Clock; queue: Queue; epoch: number; listener: QueueListener },
    onClose: () => void,
  ) {
    this.#mail = of.mail;
    this.#clock = of.clock;
    this.#queue = of.queue;
    this.epoch = of.epoch;
    this.#listener = of.listener;
    this.#onClose = onClose;
  }

  claim(sizeBytes: number): (Claim & { readonly epoch: number }) | undefined {
    if (!this.#isDrained || this.#freeMessages < 1 || this.#freeBytes < sizeBytes) {
      this.#isDrained = false;
      return undefined;
    }
    this.#freeMessages -= 1;
    this.#freeBytes -= sizeBytes;
    this.#claimedMessages += 1;
    this.#claimedBytes += sizeBytes;
    const settle = (): void => {
      this.#claimedMessages -= 1;
      this.#claimedBytes -= sizeBytes;
      this.wake();
    };
    return {
      epoch: this.epoch,
      handOut: (queued) => {
        const seq = Number(queued.receipt.seq);
        if (!this.#isBehind) {
          this.#held.add(seq);
          this.#ready.push(queued);
        } else this.#overtaking.add(seq);
        settle();
      },
      release: settle,
      doubt: () => {
        this.#isDrained = false;
        settle();
      },
    };
  }

  /** There is more in the queue. */
  opened(seq: number): void {
    this.#recall(seq);
    this.#fallBehind();
    // The look that is about to begin meets it.
    if (!this.#isCatchingUp) this.wake();
  }

  #fallBehind(): void {
    this.#isDrained = false;
    this.#isBehind = true;
  }

  closed(seq: number): void {
    this.#recall(seq);
    this.#overtaking.delete(seq);
    const index = this.#ready.findIndex(({ receipt }) => Number(receipt.seq) === seq);
    if (index !== -1) this.#ready.splice(index, 1);
  }

  async next(credit: Credit): Promise<QueuedMessage[]> {
    if (!this.#isCurrent) await this.#catchUp();
    if (this.#closed || !this.#isCurrent || credit.maxMessages < 1) return [];
    if (this.#ready.length > 0) return this.#ready.splice(0, countWithin(this.#ready, credit));
    const maxMessages = credit.maxMessages - this.#claimedMessages;
    const maxBytes = credit.maxBytes - this.#claimedBytes;
    this.#freeMessages = maxMessages;
    this.#freeBytes = maxBytes;
    // Each claim wakes the reader once it is settled.
    if (this.#isDrained || maxMessages < 1 || (maxBytes < 1 && credit.maxBytes > 0)) return [];
    return this.#take({ maxMessages, maxBytes });
  }

  /** Before the first message: the reader before this one may have been at another gateway. */
  async #catchUp(): Promise<void> {
    const { signal } = this.#closing;
    this.#isCatchingUp = true;
    const closed = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    try {
      await Promise.race([this.#mail.catchUp(), closed]);
      this.#isCurrent = true;
    } catch (error) {
      this.#tryLater(error);
    } finally {
      this.#isCatchingUp = false;
    }
  }

  async #take(credit: Credit): Promise<QueuedMessage[]> {
    const wanted = this.#choose(credit);
    const leases = await Promise.allSettled(
      wanted.map((delivery) => this.#mail.lease(delivery, this.epoch)),
    );
    const messages: QueuedMessage[] = [];
    let failure: unknown;
    leases.forEach((outcome, index) => {
      const seq = wanted[index]?.head.seq ?? 0;
      if (outcome.status === "rejected") {
        failure = outcome.reason;
        this.#held.delete(seq);
        return;
      }
      const lease = outcome.value;
      // A younger one is not handed out before an older one that could not be leased.
      if (lease.state === "leased" && failure === undefined) {
        const isFirst = this.#overtaking.delete(seq);
        const wasReturned = this.#returned.delete(seq);
        const redelivered = wasReturned || (lease.queued.redelivered && !isFirst);
        messages.push({ ...lease.queued, redelivered });
      } else this.#held.delete(seq);
      // Nobody meets these again, so a closed reader's listener hears of them, too.
      if (lease.state === "damaged") {
        setImmediate(() => this.#listener.damaged(lease.deadLettered));
      }
      if (lease.state === "fenced") this.#lookAgainLater();
    });
    // If the reader was closed meanwhile, its leases go to the next reader.
    if (this.#closed) return [];
    if (failure !== undefined) {
      this.#tryLater(failure);
      this.#putBack();
    }
    this.#freeMessages -= messages.length;
    for (const { sizeBytes } of messages) this.#freeBytes -= sizeBytes;
    return messages;
  }

  /** The oldest that are within the credit. They are held from now on. */
  #choose({ maxMessages, maxBytes }: Credit): OpenDelivery[] {
    const wanted: OpenDelivery[] = [];
    let bytes = 0;
    this.#isDrained = true;
    this.#isBehind = false;
    for (const delivery of this.#queue.oldestFirst()) {
      const { seq, sizeBytes } = delivery.head;
      if (seq > this.#mail.toldSeq) break;
      if (this.#held.has(seq)) continue;
      if (wanted.length >= maxMessages || (wanted.length > 0 && bytes + sizeBytes > maxBytes)) {
        this.#fallBehind();
        break;
      }
      wanted.push(delivery);
      bytes += sizeBytes;
    }
    for (const { head } of wanted) this.#held.add(head.seq);
    return wanted;
  }

  /** What was claimed meanwhile is younger than what could not be leased. */
  #putBack(): void {
    for (const { receipt } of this.#ready.splice(0)) {
      const seq = Number(receipt.seq);
      this.#held.delete(seq);
      this.#overtaking.add(seq);
    }
  }

  /** The engine does not answer now: what is open stays so, and is offered when it does. */
  #tryLater(failure: unknown): void {
    if (!(failure instanceof StoreError && failure.code !== "DATA_LOSS")) throw failure;
    this.#lookAgainLater();
  }

  #lookAgainLater(): void {
    this.#fallBehind();
    this.#retry ??= this.#clock.after(leaseRetryMs, () => {
      this.#retry = undefined;
      this.wake();
    });
  }

  async backlog(): Promise<QueueBacklog> {
    const senders = new Map<string, string>();
    let unread = 0;
    if (!this.#closed) {
      for (const { head } of this.#queue.oldestFirst()) {
        if (this.#held.has(head.seq)) continue;
        unread++;
        if (senders.size < maxBacklogSenders && !senders.has(head.from.peerId)) {
          senders.set(head.from.peerId, head.from.name);
        }
      }
    }
    return { unread, senders: [...senders].map(([peerId, name]) => ({ peerId, name })) };
  }

  giveBack(seq: bigint, delayMs: number): void {
    const returned = Number(seq);
    if (this.#closed || !this.#held.has(returned)) return;
    this.#returned.add(returned);
    if (delayMs <= 0) return this.opened(returned);
    this.#delays.get(returned)?.[Symbol.dispose]();
    this.#delays.set(
      returned,
      this.#clock.after(delayMs, () => this.opened(returned)),
    );
  }

  /**
   * Rings the listener after all that is under way now, once. That is once for all answers of the engine that came
   * together. In the next turn of the event loop it would be after a thousand of them, where many come.
   */
  wake(): void {
    if (this.#wakes || this.#closed) return;
    this.#wakes = true;
    process.nextTick(() => {
      this.#wakes = false;
      if (!this.#closed) this.#listener.wake();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing.abort();
    this.#retry?.[Symbol.dispose]();
    for (const delay of this.#delays.values()) delay[Symbol.dispose]();
    this.#delays.clear();
    this.#onClose();
  }

  /** It is not held any more. */
  #recall(seq: number): void {
    this.#delays.get(seq)?.[Symbol.dispose]();
    this.#delays.delete(seq);
    this.#held.delete(seq);
  }
}
