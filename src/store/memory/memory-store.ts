import type { MessageRecord, PeerRef } from "../../../gen/peerline/v1/message_pb.js";
import {
  type AdvancedReceipt,
  type Draft,
  type EnqueueResult,
  type ExpiryKey,
  type HistoryPage,
  type HistoryQuery,
  type QueueListener,
  type QueueReader,
  type ReceiptChange,
  type Store,
  type StoredPeer,
  StoreError,
  type StoreHealth,
  type StoreInfo,
} from "../../broker/store.js";
import type { Clock } from "../../clock.js";
import { describeLimits, type StoreLimits, storeLimits } from "../limits.js";
import { QueueReaders } from "../queue-readers.js";
import { findMessages, listMessages } from "./history.js";
import { MessageTable } from "./message-table.js";

import { openMail } from "./queue.js";
import { PeerTable } from "./peer-table.js";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Default of each: that of `storeLimits`. */
  readonly limits?: Partial<StoreLimits>;
}

/** A store that ends with its process. It is the plainest form of the contract. */
export function openMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options.clock, { ...storeLimits, ...options.limits });
}

class MemoryStore implements Store {
  readonly info: StoreInfo;
  readonly #clock: Clock;
  readonly #messages: MessageTable;
  readonly #peers = new PeerTable();
  readonly #readers: QueueReaders;
  #closed = false;

  constructor(clock: Clock, limits: StoreLimits) {
    this.info = {
      technology: "memory",
      durability: "memory",
      dedupeWindowMs: limits.retentionMs,
      limits: describeLimits(limits),
    };
    this.#clock = clock;
    this.#messages = new MessageTable(limits);
    this.#readers = new QueueReaders(
      openMail((peerId) => this.#messages.queue(peerId), clock),
      clock,
    );
  }

  async health(): Promise<StoreHealth> {
    return {
      writable: !this.#closed,
      problem: this.#closed ? "The store is closed." : "",
      bytes: this.#messages.bytes,
      freeBytes: 0,
      damagedMessages: 0,
      damages: [],
    };
  }

  async loadPeers(): Promise<StoredPeer[]> {
    this.#assertOpen();
    return this.#peers.list();
  }

  async createPeer(peer: StoredPeer): Promise<void> {
    this.#assertOpen();
    this.#peers.create(peer);
  }

  async updatePeer(peer: StoredPeer): Promise<void> {
    this.#assertOpen();
    this.#peers.update(peer);
  }

  async removePeer(peerId: string): Promise<boolean> {
    this.#assertOpen();
    if (!this.#messages.removePeer(peerId)) return false;
    this.#peers.remove(peerId);
    return true;
  }

  async forgetPeer(peerId: string): Promise<boolean> {
    this.#assertOpen();
    if (!this.#messages.forgetQueue(peerId)) return false;
    this.#peers.remove(peerId);
    return true;
  }

  async listOpen({ peerId, limit }: { peerId: string; limit: number }): Promise<bigint[]> {
    this.#assertOpen();
    const open = [...this.#messages.queue(peerId).from([], 0)];
    return open.slice(0, limit).map(({ receipt }) => BigInt(receipt.seq));
  }

  async enqueue(draft: Draft, recipients: readonly PeerRef[]): Promise<EnqueueResult[]> {
    this.#assertOpen();
    const results = this.#messages.enqueue(draft, recipients, this.#clock.now());
    recipients.forEach(({ peerId }, index) => {
      const result = results[index];
      if (result?.ok === true && !result.duplicate) this.#readers.wake(peerId);
    });
    return results;
  }

  openQueue(peerId: string, listener: QueueListener): QueueReader {
    this.#assertOpen();
    return this.#readers.open(peerId, listener);
  }

  async countWaiting(peerIds: readonly string[]): Promise<Map<string, number>> {
    this.#assertOpen();
    return new Map(peerIds.map((peerId) => [peerId, this.#messages.queue(peerId).waiting.length]));
  }

  async advance(peerId: string, seq: bigint, change: ReceiptChange): Promise<AdvancedReceipt> {
    this.#assertOpen();
    return this.#messages.advance(peerId, Number(seq), change, this.#clock.now());
  }

  async redrive(peerId: string, seq: bigint): Promise<AdvancedReceipt> {
    this.#assertOpen();
    const offer = this.#readers.reopening(peerId);
    const redriven = this.#messages.redrive(peerId, Number(seq));
    await offer(Number(seq));
    return redriven;
  }

  async drop(peerId: string, seq: bigint): Promise<void> {
    this.#assertOpen();
    this.#messages.drop(peerId, Number(seq));
  }

  async purge({ from, waiting }: Parameters<Store["purge"]>[0]): ReturnType<Store["purge"]> {
    this.#assertOpen();
    return { removed: this.#messages.purge(from, waiting), next: undefined };
  }

  async listExpired(query: Parameters<Store["listExpired"]>[0]): Promise<ExpiryKey[]> {
    this.#assertOpen();
    return listExpired(this.#messages.expiries(), query, this.#clock.now());
  }

  async nextExpiryMs(): Promise<number | undefined> {
    this.#assertOpen();
    return this.#messages.expiries()[0]?.expireTimeMs;
  }

  async getReceipt(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined> {
    this.#assertOpen();
    return this.#messages.getReceipt(peerId, Number(seq));
  }

  async findMessages(query: Parameters<Store["findMessages"]>[0]): Promise<MessageRecord[]> {
    this.#assertOpen();
    return findMessages(this.#messages, query);
  }

  async listMessages(query: HistoryQuery): Promise<HistoryPage> {
    this.#assertOpen();
    return listMessages(this.#messages, query);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#readers.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError("UNAVAILABLE", "The store is closed.");
  }
}

/** @param expiries the earliest first. */
function listExpired(
  expiries: ExpiryKey[],
  { after, limit }: Parameters<Store["listExpired"]>[0],
  nowMs: number,
): ExpiryKey[] {
  const afterMs = after?.expireTimeMs ?? Number.NEGATIVE_INFINITY;
  const afterSeq = after?.seq ?? 0n;
  return expiries
    .filter(({ expireTimeMs }) => expireTimeMs <= nowMs)
    .filter(({ expireTimeMs: ms, seq }) => ms > afterMs || (ms === afterMs && seq > afterSeq))
    .slice(0, limit);
}
