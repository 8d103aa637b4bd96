import { create } from "@bufbuild/protobuf";
import {
  WatchMessagesResponseSchema,
  type WatchMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import {
  ReceiptState,
  type Message,
  type MessageRecord,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import { translateStoreErrors } from "../broker-error.js";
import type { HistoryListener } from "../store/history.js";
import type { AdvancedReceipt, ReceiptChange } from "../store/queues.js";
import { StoreError, type Store } from "../store/store.js";

type Listener = (event: WatchMessagesResponse) => void;

/** A receipt that moved, and whose message it is about. */
type Move = Omit<AdvancedReceipt, "moved">;

/** Every change of a receipt that this broker makes passes here. What others make is heard of the store. */
export class Receipts implements HistoryListener {
  readonly #store: Store;
  readonly #listeners = new Set<Listener>();
  readonly #endListeners = new Set<(end: Move) => void>();
  #watch: Disposable | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async advance(peerId: string, seq: bigint, change: ReceiptChange): Promise<AdvancedReceipt> {
    const advanced = await translateStoreErrors(() =>
      this.#store.queues.advance(peerId, seq, change),
    );
    if (advanced.moved) this.ended(advanced);
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
  redrive(peerId: string, seq: bigint): Promise<AdvancedReceipt> {
    return translateStoreErrors(() => this.#store.queues.redrive(peerId, seq));
  }

  /** Forgets a dead letter. NOT_FOUND stays the store's. */
  drop(peerId: string, seq: bigint): Promise<void> {
    return translateStoreErrors(() => this.#store.queues.drop(peerId, seq));
  }

  get(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined> {
    return translateStoreErrors(() => this.#store.history.getReceipt(peerId, seq));
  }

  /** To be called with what this broker has moved: others tell of what they do. */
  ended({ from, messageId, receipt }: Move): void {
    if (!isBadEnd(receipt.state)) return;
    for (const listener of this.#endListeners) listener({ from, messageId, receipt });
  }

  /** Calls the listener with each message that this broker has ended before it was confirmed. */
  onEnd(listener: (end: Move) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Calls the listener with everything that is accepted or moves from now on, whoever does it. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#watch ??= this.#store.history.watch(this);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watch?.[Symbol.dispose]();
      this.#watch = undefined;
    };
  }

  accepted(message: Message, receipts: Receipt[]): void {
    const record: Pick<MessageRecord, "message" | "receipts"> = { message, receipts };
    this.#tell({ event: { case: "accepted", value: record } });
  }

  moved({ from, messageId, receipt }: Move): void {
    this.#tell({ event: { case: "receiptMoved", value: { from, messageId, receipt } } });
  }

  #tell(event: Parameters<typeof create<typeof WatchMessagesResponseSchema>>[1]): void {
    const response = create(WatchMessagesResponseSchema, event);
    for (const listener of this.#listeners) listener(response);
  }
}

function isBadEnd(state: ReceiptState): boolean {
  return state === ReceiptState.EXPIRED || state === ReceiptState.DEAD_LETTERED;
}

/** The store has forgotten the message. */
export function isGone(error: unknown): boolean {
  return error instanceof StoreError && error.code === "NOT_FOUND";
}
