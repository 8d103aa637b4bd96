import { create } from "@bufbuild/protobuf";
import { ReceiptState, type Receipt } from "../../gen/peerline/v1/message_pb.js";
import { ReceiptSchema } from "../../gen/peerline/v1/message_pb.js";
import type { HistoryListener } from "../broker/store/history.js";
import type { AdvancedReceipt, EnqueueResult, QueuedMessage } from "../broker/store/queues.js";
import { isWaiting } from "./stored-message.js";
import { Watchers } from "./watchers.js";

/** Tells those who watch messages what a store of this process alone has done. */
export class HistoryWatch {
  readonly #watchers = new Watchers<HistoryListener>();

  add(listener: HistoryListener): Disposable {
    return this.#watchers.add(listener);
  }

  /** Of what was new. */
  accepted(results: readonly EnqueueResult[]): void {
    if (this.#watchers.isEmpty) return;
    const fresh = results.filter((result) => result.ok).filter(({ duplicate }) => !duplicate);
    const [first] = fresh;
    if (first === undefined) return;
    const receipts = fresh.map(({ receipt }) => receipt);
    this.#watchers.tell((listener) => listener.accepted(first.message, receipts));
  }

  /** A reader has the message. It is told of where nobody had it before. */
  leased({ message, receipt, redelivered }: QueuedMessage): void {
    const { from, messageId } = message;
    if (redelivered || from === undefined) return;
    this.#watchers.tell((listener) => listener.moved({ from, messageId, receipt }));
  }

  moved({ moved, ...change }: AdvancedReceipt): void {
    if (moved) this.#watchers.tell((listener) => listener.moved(change));
  }

  /** Of a removed delivery; one that was presented ends without a word. */
  removed(removed: AdvancedReceipt, reason: string): void {
    if (isWaiting(removed.receipt.state))
      this.moved({ ...removed, receipt: ended(removed.receipt, reason) });
  }
}

/** What is told of a delivery that was removed before it was presented. */
export function ended(receipt: Receipt, reason: string): Receipt {
  return create(ReceiptSchema, { ...receipt, state: ReceiptState.DEAD_LETTERED, reason });
}
