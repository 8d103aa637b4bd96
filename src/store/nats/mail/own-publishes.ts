import type { Message } from "../../../../gen/peerline/v1/message_pb.js";
import type { Claim } from "../../queue-readers.js";
import { toReceipt } from "../../stored-message.js";
import type { OpenDelivery } from "./open-mail.js";

/** A publish of this gateway, and the reader that has claimed it. */
interface OwnPublish {
  readonly message: Message;
  readonly claim: Claim & { readonly epoch: number };
  /** Where the engine said that it stored it. */
  seq: number | undefined;
}

/**
 * Publishes of this gateway that a reader has claimed, by subject. The engine's answer says that one is stored, and
 * the stream says when: a message is handed out when its turn in the stream has come. So a message that another
 * gateway stored before is handed out before.
 */
export class OwnPublishes {
  readonly #claimed = new Map<string, OwnPublish>();

  /** Whether the subject is on its way already: it is claimed once. */
  has(subject: string): boolean {
    return this.#claimed.has(subject);
  }

  begin(subject: string, own: Omit<OwnPublish, "seq">): void {
    this.#claimed.set(subject, { ...own, seq: undefined });
  }

  /** The engine has stored it: the stream tells of it, or has told. */
  stored(subject: string, seq: number, toldSeq: number): void {
    const own = this.#claimed.get(subject);
    if (own === undefined) return;
    own.seq = seq;
    this.passed(toldSeq);
  }

  /** It was not stored; `isUnsure`: nobody knows. */
  failed(subject: string, isUnsure: boolean): void {
    const own = this.#claimed.get(subject);
    if (own === undefined) return;
    this.#claimed.delete(subject);
    if (isUnsure) own.claim.doubt();
    else own.claim.release();
  }

  /** The stream tells of the subject. False where that was not claimed; the delivery is open, or undefined. */
  tell(subject: string, delivery: OpenDelivery | undefined): boolean {
    const own = this.#claimed.get(subject);
    if (own === undefined) return false;
    // Another gateway has stored the same message.
    if (delivery !== undefined && delivery.head.leasedEpoch !== own.claim.epoch) return false;
    this.#claimed.delete(subject);
    if (delivery === undefined) own.claim.release();
    else {
      const receipt = toReceipt(delivery.register.receipt);
      const { sizeBytes } = delivery.head;
      own.claim.handOut({ message: own.message, receipt, sizeBytes, redelivered: false });
    }
    return true;
  }

  /** The stream has told of all up to this one: what it left out is gone. */
  passed(seq: number): void {
    for (const [subject, own] of this.#claimed) {
      if (own.seq !== undefined && own.seq <= seq) this.failed(subject, false);
    }
  }
}
