import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  MessageRecordSchema,
  MessageSchema,
  PeerRefSchema,
  ReceiptState,
  type Message,
  type MessageRecord,
  type PeerRef,
} from "../../../gen/peerline/v1/message_pb.js";
import { StoreError } from "../../../src/broker/store/store.js";
import type {
  AdvancedReceipt,
  Draft,
  EnqueueResult,
  ReceiptChange,
} from "../../../src/broker/store/queues.js";
import type { ExpiryKey, HistoryStore } from "../../../src/broker/store/history.js";
import type { StoredDelivery } from "../../../src/broker/store/transfer.js";
import { deliveryBytes } from "../../../src/contract/limits.js";
import type { StoreLimits } from "../../../src/store/limits.js";
import {
  mailProblem,
  queueProblem,
  type Shortage,
  shortageError,
} from "../../../src/store/room.js";
import {
  climb,
  fromReceipt,
  isOpen,
  isWaiting,
  queuedReceipt,
  stamp,
  toReceipt,
  type StoredReceipt,
} from "../../../src/store/stored-message.js";
import { Queue } from "./queue.js";

/** One message with its deliveries. */
export interface Entry {
  /** Its place in the order of acceptance. */
  readonly position: number;
  readonly from: PeerRef;
  readonly message: Message;
  readonly fingerprint: string;
  readonly acceptMs: number;
  readonly expireMs: number;
  readonly sizeBytes: number;
  /** By recipient, in the order they were stored. */
  readonly deliveries: Map<string, Delivery>;
}

/** One message for one recipient. */
export interface Delivery {
  readonly entry: Entry;
  receipt: StoredReceipt;
  /** It came back from the dead letters, so that it may have been handed out before. */
  isRedriven: boolean;
}

export function newEntry(draft: Draft, position: number, nowMs: number): Entry {
  const message = stamp(draft, nowMs);
  return {
    position,
    from: draft.from,
    message,
    fingerprint: draft.fingerprint,
    acceptMs: nowMs,
    expireMs: nowMs + draft.expiresInMs,
    sizeBytes: toBinary(MessageSchema, message).byteLength,
    deliveries: new Map(),
  };
}

/** Whether the peer sent or received the message. */
export function isParticipant(entry: Entry, peerId: string): boolean {
  return entry.from.peerId === peerId || entry.deliveries.has(peerId);
}

export function toRecord(entry: Entry): MessageRecord {
  const receipts = [...entry.deliveries.values()].map(({ receipt }) => toReceipt(receipt));
  return create(MessageRecordSchema, { message: entry.message, receipts });
}

/** Every message that is kept, with its receipts. */
export class MessageTable {
  readonly #limits: StoreLimits;
  readonly #byKey = new Map<string, Entry>();
  readonly #bySeq = new Map<number, Delivery>();
  readonly #queues = new Map<string, Queue>();
  /** Oldest first. */
  #entries: Entry[] = [];
  #bytes = 0;
  /** The same by sender. */
  readonly #bytesOf = new Map<string, number>();
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

  /** The bytes of all messages, as `maxMailBytes` counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  queue(peerId: string): Queue {
    const queue = this.#queues.get(peerId) ?? new Queue();
    this.#queues.set(peerId, queue);
    return queue;
  }

  /** Forgets the peer's queue. False, with nothing changed, where the peer sent or received a kept message. */
  removePeer(peerId: string): boolean {
    if (this.#entries.some((entry) => isParticipant(entry, peerId))) return false;
    this.#queues.delete(peerId);
    return true;
  }

  /** Forgets the peer's queue. False, with nothing changed, where a message in it is open. */
  forgetQueue(peerId: string): boolean {
    if (!this.queue(peerId).isEmpty) return false;
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
    const delivery = this.delivery(peerId, seq);
    if (delivery === undefined) {
      throw new StoreError("NOT_FOUND", `The queue of ${peerId} has no message ${seq}.`);
    }
    const { receipt, moved } = climb(delivery.receipt, change, nowMs);
    delivery.receipt = receipt;
    if (!isOpen(receipt.state)) this.queue(peerId).remove(delivery);
    return toAdvanced(delivery, moved);
  }

  redrive(peerId: string, seq: number): AdvancedReceipt {
    const delivery = this.#deadLetter(peerId, seq);
    const queue = this.queue(peerId);
    const { entry } = delivery;
    const use = queue.useOf(entry.from.peerId);
    const problem = queueProblem(delivery.receipt.peerName, use, entry.sizeBytes, this.#limits);
    if (problem !== undefined) throw shortageError(problem);
    delivery.receipt = queuedReceipt(delivery.receipt);
    delivery.isRedriven = true;
    queue.add(delivery);
    return toAdvanced(delivery, true);
  }

  drop(peerId: string, seq: number): void {
    this.#remove(this.#deadLetter(peerId, seq));
  }

  /** Removes everything in one slice. */
  purge(from: string, waiting: boolean): AdvancedReceipt[] {
    const deliveries = this.#entries
      .filter((entry) => entry.from.peerId === from)
      .flatMap((entry) => [...entry.deliveries.values()])
      .filter(({ receipt }) => !waiting || isWaiting(receipt.state));
    for (const delivery of deliveries) this.#remove(delivery);
    return deliveries.map((delivery) => toAdvanced(delivery, true));
  }

  /** Removes one delivery, and its message with the last one. */
  #remove(delivery: Delivery): void {
    const { entry, receipt } = delivery;
    this.queue(receipt.peerId).remove(delivery);
    this.#bySeq.delete(receipt.seq);
    entry.deliveries.delete(receipt.peerId);
    this.#count(entry, -deliveryBytes);
    if (entry.deliveries.size > 0) return;
    this.#byKey.delete(keyOf(entry.from, entry.message.messageId));
    this.#entries = this.#entries.filter((kept) => kept !== entry);
    this.#count(entry, -entry.sizeBytes);
  }

  #count({ from }: Entry, bytes: number): void {
    this.#bytes += bytes;
    this.#bytesOf.set(from.peerId, (this.#bytesOf.get(from.peerId) ?? 0) + bytes);
  }

  /** When each message that was not presented expires, the earliest first. */
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

  /** What has expired at `nowMs`, after the one given. */
  listExpired(
    { after, limit }: Parameters<HistoryStore["listExpired"]>[0],
    nowMs: number,
  ): ExpiryKey[] {
    const { expireTimeMs: afterMs = Number.NEGATIVE_INFINITY, seq: afterSeq = 0n } = after ?? {};
    return this.expiries()
      .filter(({ expireTimeMs }) => expireTimeMs <= nowMs)
      .filter(({ expireTimeMs: ms, seq }) => ms > afterMs || (ms === afterMs && seq > afterSeq))
      .slice(0, limit);
  }

  /** Every delivery, in the order of the seqs. */
  deliveries(): Delivery[] {
    return [...this.#bySeq.values()].toSorted((a, b) => a.receipt.seq - b.receipt.seq);
  }

  /** Adds a delivery as it was kept elsewhere. CONFLICT where its seq, or its message for this recipient, is there. */
  put(moved: StoredDelivery): void {
    const message = fromBinary(MessageSchema, moved.body);
    const receipt = fromReceipt(moved.receipt);
    const from = message.from ?? create(PeerRefSchema);
    const present = this.#byKey.get(keyOf(from, message.messageId));
    if (this.#bySeq.has(receipt.seq) || present?.deliveries.has(receipt.peerId) === true) {
      throw new StoreError("CONFLICT", `The message ${receipt.seq} is there already.`);
    }
    const entry = present ?? {
      position: (this.#lastPosition += 1),
      from,
      message,
      fingerprint: moved.fingerprint,
      acceptMs: message.acceptTime === undefined ? 0 : timestampMs(message.acceptTime),
      expireMs: message.expireTime === undefined ? 0 : timestampMs(message.expireTime),
      sizeBytes: moved.body.byteLength,
      deliveries: new Map<string, Delivery>(),
    };
    this.#keep(entry, { entry, receipt, isRedriven: moved.redriven });
    this.#lastSeq = Math.max(this.#lastSeq, receipt.seq);
  }

  getReceipt(peerId: string, seq: number): AdvancedReceipt | undefined {
    const delivery = this.delivery(peerId, seq);
    return delivery && toAdvanced(delivery, false);
  }

  delivery(peerId: string, seq: number): Delivery | undefined {
    const delivery = this.#bySeq.get(seq);
    return delivery?.receipt.peerId === peerId ? delivery : undefined;
  }

  #deadLetter(peerId: string, seq: number): Delivery {
    const delivery = this.delivery(peerId, seq);
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
    const sender = entry.from.peerId;
    const use = queue.useOf(sender);
    const noQueueRoom = queueProblem(recipient.name, use, entry.sizeBytes, this.#limits);
    if (noQueueRoom !== undefined) return refused(noQueueRoom);
    const isNew = entry.deliveries.size === 0;
    const kept = { own: this.#bytesOf.get(sender) ?? 0, all: this.#bytes };
    const noMailRoom = mailProblem(kept, isNew ? entry.sizeBytes : 0, this.#limits);
    if (noMailRoom !== undefined) return refused(noMailRoom);
    const receipt = queuedReceipt({
      seq: (this.#lastSeq += 1),
      peerId: recipient.peerId,
      peerName: recipient.name,
      queuedMs: nowMs,
    });
    const delivery = { entry, receipt, isRedriven: false };
    this.#keep(entry, delivery);
    return toAccepted(delivery, false);
  }

  /** A message is kept with its first delivery: one that no recipient has room for is not. */
  #keep(entry: Entry, delivery: Delivery): void {
    const { receipt } = delivery;
    if (entry.deliveries.size === 0) {
      this.#count(entry, entry.sizeBytes);
      this.#entries.push(entry);
      this.#byKey.set(keyOf(entry.from, entry.message.messageId), entry);
    }
    entry.deliveries.set(receipt.peerId, delivery);
    this.#bySeq.set(receipt.seq, delivery);
    this.#count(entry, deliveryBytes);
    if (isOpen(receipt.state)) this.queue(receipt.peerId).add(delivery);
  }

  /** Forgets, at most once in an interval, closed messages that are older than the retention. */
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
      this.#count(entry, -entry.sizeBytes - entry.deliveries.size * deliveryBytes);
    }
    this.#entries = this.#entries.filter(isKept);
  }
}

function refused(shortage: Shortage): EnqueueResult {
  return { ok: false, error: shortageError(shortage) };
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
