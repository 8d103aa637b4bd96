import { create } from "@bufbuild/protobuf";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type {
  Message,
  MessageRecord,
  PeerRef,
  Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { translateStoreErrors } from "../broker-error.js";
import { StoreError, type AdvancedReceipt, type ReceiptChange, type Store } from "../store.js";

type Listener = (event: WatchMessagesResponse) => void;

/** Every change of a receipt passes here, so that watchers see it. */
export class Receipts {
  readonly #store: Store;
  readonly #listeners = new Set<Listener>();

  constructor(store: Store) {
    this.#store = store;
  }

  async advance(peerId: string, seq: bigint, change: ReceiptChange): Promise<AdvancedReceipt> {
    const advanced = await translateStoreErrors(() => this.#store.advance(peerId, seq, change));
    if (advanced.moved) this.moved(advanced.from, advanced.messageId, advanced.receipt);
    return advanced;
  }

  /**
   * As `advance`. Resolves to undefined where the message is gone: a purge or retention may forget it between
   * the look at it and what is done with it.
   */
  async advanceIfKept(
    peerId: string,
    seq: bigint,
    change: ReceiptChange,
  ): Promise<AdvancedReceipt | undefined> {
    try {
      return await this.advance(peerId, seq, change);
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  /** Puts a dead letter back into its queue. NOT_FOUND stays the store's. */
  async redrive(peerId: string, seq: bigint): Promise<AdvancedReceipt> {
    const advanced = await translateStoreErrors(() => this.#store.redrive(peerId, seq));
    this.moved(advanced.from, advanced.messageId, advanced.receipt);
    return advanced;
  }

  /** Forgets a dead letter. NOT_FOUND stays the store's. */
  drop(peerId: string, seq: bigint): Promise<void> {
    return translateStoreErrors(() => this.#store.drop(peerId, seq));
  }

  get(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined> {
    return translateStoreErrors(() => this.#store.getReceipt(peerId, seq));
  }

  accepted(message: Message, receipts: Receipt[]): void {
    const record: Pick<MessageRecord, "message" | "receipts"> = { message, receipts };
    this.#tell({ event: { case: "accepted", value: record } });
  }

  moved(from: PeerRef, messageId: string, receipt: Receipt): void {
    this.#tell({ event: { case: "receiptMoved", value: { from, messageId, receipt } } });
  }

  /** Calls the listener with every event from now on. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: Parameters<typeof create<typeof WatchMessagesResponseSchema>>[1]): void {
    if (this.#listeners.size === 0) return;
    const response = create(WatchMessagesResponseSchema, event);
    for (const listener of this.#listeners) listener(response);
  }
}

/** The store has forgotten the message. */
export function isGone(error: unknown): boolean {
  return error instanceof StoreError && error.code === "NOT_FOUND";
}
