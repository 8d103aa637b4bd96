import { type PeerRef, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import {
  type AdvancedReceipt,
  type Draft,
  type EnqueueResult,
  type ExpiryKey,
  type ReceiptChange,
  StoreError,
} from "../../broker/store.js";
import { climb, isOpen } from "../ladder.js";
import type { StoreLimits } from "../limits.js";
import { queuedReceipt, toReceipt } from "../stored-receipt.js";
import { type Delivery, type Entry, isParticipant, newEntry } from "./entry.js";
import { Queue } from "./queue.js";

/** Every message that is kept, and where it stands for whom. */
export class MessageLog {
  readonly #limits: StoreLimits;
  readonly #byKey = new Map<string, Entry>();
  readonly #bySeq = new Map<number, Delivery>();
  readonly #queues = new Map<string, Queue>();
  /** Oldest first. */
  #entries: Entry[] = [];
  #lastPosition = 0;
  #lastSeq = 0;
  #lastPruneMs = 0;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  oldestFirst(): readonly Entry[] {
    return this.#entries;
  }

  newestFirst(): Entry[] {
    return this.#entries.toReversed();
  }

  /** Of all messages, encoded. */
  get bytes(): number {
    return this.#entries.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0);
  }

  queue(peerId: string): Queue {
    const queue = this.#queues.get(peerId) ?? new Queue();
    this.#queues.set(peerId, queue);
    return queue;
  }

  /** Forgets the peer's queue; false, with nothing changed, where a message that is kept involves it. */
  removePeer(peerId: string): boolean {
    if (this.#entries.some((entry) => isParticipant(entry, peerId))) return false;
    this.#queues.delete(peerId);
    return true;
  }

  enqueue(draft: Draft, recipients: readonly PeerRef[], nowMs: number): EnqueueResult[] {
    this.#prune(nowMs);
    const present = this.#byKey.get(keyOf(draft.from, draft.messageId));
    if (present !== undefined && present.fingerprint !== draft.fingerprint) {
      const words = `The sender used the message id ${draft.messageId} for other content.`;
      const error = new StoreError("MESSAGE_ID_REUSED", words);
      return recipients.map(() => ({ ok: false, error }));
    }
    const entry = present ?? newEntry(draft, (this.#lastPosition += 1), nowMs);
    return recipients.map((recipient) => this.#deliver(entry, recipient, nowMs));
  }

  advance(peerId: string, seq: number, change: ReceiptChange, nowMs: number): AdvancedReceipt {
    const delivery = this.#delivery(peerId, seq);
    if (delivery === undefined) {
      throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
    }
    const { receipt, moved } = climb(delivery.receipt, change, nowMs);
    delivery.receipt = receipt;
    this.queue(peerId).settle(delivery);
    return toAdvanced(delivery, moved);
  }

  redrive(peerId: string, seq: number): AdvancedReceipt {
    const delivery = this.#deadLetter(peerId, seq);
    const queue = this.queue(peerId);
    if (queue.isFullFor(delivery.entry.sizeBytes, this.#limits)) {
      throw new StoreError("QUEUE_FULL", `The queue of ${delivery.receipt.peerName} is full.`);
    }
    delivery.receipt = queuedReceipt(delivery.receipt);
    delivery.isRedriven = true;
    queue.add(delivery);
    return toAdvanced(delivery, true);
  }

  drop(peerId: string, seq: number): void {
    const { entry } = this.#deadLetter(peerId, seq);
    this.#bySeq.delete(seq);
    entry.deliveries.delete(peerId);
    if (entry.deliveries.size > 0) return;
    this.#byKey.delete(keyOf(entry.from, entry.message.messageId));
    this.#entries = this.#entries.filter((kept) => kept !== entry);
  }

  /** Where what was never presented expires, the earliest first. */
  expiries(): ExpiryKey[] {
    const waiting = [...this.#queues.values()].flatMap((queue) => queue.waiting);
    return waiting
      .map(({ entry, receipt: { peerId, seq } }) => ({
        peerId,
        seq: BigInt(seq),
        expireTimeMs: entry.expireMs,
      }))
      .toSorted((a, b) => a.expireTimeMs - b.expireTimeMs || Number(a.seq - b.seq));
  }

  getReceipt(peerId: string, seq: number): AdvancedReceipt | undefined {
    const delivery = this.#delivery(peerId, seq);
    return delivery && toAdvanced(delivery, false);
  }

  #delivery(peerId: string, seq: number): Delivery | undefined {
    const delivery = this.#bySeq.get(seq);
    return delivery?.receipt.peerId === peerId ? delivery : undefined;
  }

  #deadLetter(peerId: string, seq: number): Delivery {
    const delivery = this.#delivery(peerId, seq);
    if (delivery?.receipt.state === ReceiptState.DEAD_LETTERED) return delivery;
    throw new StoreError("NOT_FOUND", `The message ${seq} of ${peerId} is not dead-lettered.`);
  }

  #deliver(entry: Entry, recipient: PeerRef, nowMs: number): EnqueueResult {
    const earlier = entry.deliveries.get(recipient.peerId);
    if (earlier !== undefined) return toAccepted(earlier, true);
    if (entry.expireMs <= nowMs) {
      const words = `The message ${entry.message.messageId} has expired: send it under a new id.`;
      return { ok: false, error: new StoreError("MESSAGE_ID_REUSED", words) };
    }
    const queue = this.queue(recipient.peerId);
    if (queue.isFullFor(entry.sizeBytes, this.#limits)) {
      const error = new StoreError("QUEUE_FULL", `The queue of ${recipient.name} is full.`);
      return { ok: false, error };
    }
    // A message that nobody accepts is not kept.
    if (entry.deliveries.size === 0) {
      this.#entries.push(entry);
      this.#byKey.set(keyOf(entry.from, entry.message.messageId), entry);
    }
    const receipt = queuedReceipt({
      seq: (this.#lastSeq += 1),
      peerId: recipient.peerId,
      peerName: recipient.name,
      queuedMs: nowMs,
    });
    const delivery = { entry, receipt, isRedriven: false };
    entry.deliveries.set(recipient.peerId, delivery);
    this.#bySeq.set(delivery.receipt.seq, delivery);
    queue.add(delivery);
    return toAccepted(delivery, false);
  }

  /** Forgets, once in a while, the messages that are older than the retention and closed for all. */
  #prune(nowMs: number): void {
    if (nowMs - this.#lastPruneMs < this.#limits.pruneIntervalMs) return;
    this.#lastPruneMs = nowMs;
    const isKept = ({ acceptMs, deliveries }: Entry): boolean =>
      acceptMs >= nowMs - this.#limits.retentionMs ||
      [...deliveries.values()].some(({ receipt }) => isOpen(receipt.state));
    for (const entry of this.#entries) {
      if (isKept(entry)) continue;
      this.#byKey.delete(keyOf(entry.from, entry.message.messageId));
      for (const { receipt } of entry.deliveries.values()) this.#bySeq.delete(receipt.seq);
    }
    this.#entries = this.#entries.filter(isKept);
  }
}

function keyOf(from: PeerRef, messageId: string): string {
  return `${from.peerId} ${messageId}`;
}

function toAccepted({ entry, receipt }: Delivery, duplicate: boolean): EnqueueResult {
  return { ok: true, duplicate, message: entry.message, receipt: toReceipt(receipt) };
}

function toAdvanced({ entry, receipt }: Delivery, moved: boolean): AdvancedReceipt {
  return {
    from: entry.from,
    messageId: entry.message.messageId,
    receipt: toReceipt(receipt),
    moved,
  };
}
