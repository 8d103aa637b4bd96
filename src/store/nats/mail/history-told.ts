import type { Message } from "../../../../gen/peerline/v1/message_pb.js";
import type { HistoryListener } from "../../../broker/store/history.js";
import type { AdvancedReceipt } from "../../../broker/store/queues.js";
import { toReceipt } from "../../stored-message.js";
import { Watchers } from "../../watchers.js";
import { firstRegister, type MailHead, type Register } from "./mail-record.js";
import type { KeptRegister } from "./mail-view.js";

/** Tells those who watch messages what the streams tell, whichever gateway it comes from. */
export class HistoryTold {
  readonly #watchers = new Watchers<Watcher>();
  /** Moves of deliveries that the stream of mail has not told of yet. */
  readonly #early = new Map<number, KeptRegister[]>();
  #lastMailSeq: number;

  constructor(lastMailSeq: number) {
    this.#lastMailSeq = lastMailSeq;
  }

  /** @param after what the gateway knows by now: it is not told, though the streams may tell it later. */
  add(listener: HistoryListener, after: Known): Disposable {
    return this.#watchers.add({ listener, after });
  }

  /** @param read the message; undefined where it is damaged */
  mail(head: MailHead, read: () => Message | undefined): void {
    if (!this.#watchers.isEmpty) this.#accepted(head, read());
    this.#lastMailSeq = head.seq;
    for (const [seq, registers] of this.#early) {
      if (seq > head.seq) continue;
      this.#early.delete(seq);
      if (seq === head.seq) for (const kept of registers) this.#moved(kept);
    }
  }

  move(kept: KeptRegister): void {
    const { isMove, receipt } = kept.register;
    if (!isMove || this.#watchers.isEmpty) return;
    if (receipt.seq <= this.#lastMailSeq) return this.#moved(kept);
    const early = this.#early.get(receipt.seq);
    if (early === undefined) this.#early.set(receipt.seq, [kept]);
    else early.push(kept);
  }

  #accepted(head: MailHead, message: Message | undefined): void {
    if (message === undefined) return;
    const queued = firstRegister({ ...head, leasedEpoch: undefined });
    const leased = head.leasedEpoch === undefined ? undefined : moveOf(firstRegister(head));
    this.#watchers.tell(({ listener, after }) => {
      if (head.seq <= after.mail) return;
      listener.accepted(message, [toReceipt(queued.receipt)]);
      if (leased !== undefined) listener.moved(leased);
    });
  }

  #moved({ register, revision }: KeptRegister): void {
    const move = moveOf(register);
    this.#watchers.tell(({ listener, after }) => {
      if (revision > after.receipts) listener.moved(move);
    });
  }
}

/** Who watches, and what it is not told. */
interface Watcher {
  readonly listener: HistoryListener;
  readonly after: Known;
}

/** The last sequences of the streams that are known. */
export interface Known {
  readonly mail: number;
  readonly receipts: number;
}

function moveOf({ from, messageId, receipt }: Register): Omit<AdvancedReceipt, "moved"> {
  return { from, messageId, receipt: toReceipt(receipt) };
}
