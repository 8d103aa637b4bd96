import type { Message } from "../../../../gen/peerline/v1/message_pb.js";
import { maxOwnUntold } from "../limits.js";
import type { MailHead, Register } from "./mail-record.js";

/** A message of this gateway, as it was stored. */
export interface OwnMessage {
  readonly head: MailHead;
  readonly message: Message;
}

/**
 * What this gateway publishes itself. The streams tell it of that as well, and what it knows already it need not
 * read once more: that would be a third of all its work.
 */
export class OwnMail {
  /** Those that the stream has not told of, by seq; and registers, by revision. */
  readonly #messages = new Map<number, OwnMessage>();
  readonly #registers = new Map<number, Register>();
  #lastMail = 0;
  #lastReceipt = 0;

  /** It was stored. What the stream has told of is not kept, nor very much that it is late with. */
  stored(own: OwnMessage): void {
    const { seq } = own.head;
    if (seq > this.#lastMail && this.#messages.size < maxOwnUntold) this.#messages.set(seq, own);
  }

  moved(revision: number, register: Register): void {
    if (revision > this.#lastReceipt && this.#registers.size < maxOwnUntold) {
      this.#registers.set(revision, register);
    }
  }

  /** The stream tells of a message: what is known of it. */
  takeMessage(seq: number): OwnMessage | undefined {
    this.#lastMail = seq;
    const own = this.#messages.get(seq);
    this.#messages.delete(seq);
    return own;
  }

  takeRegister(revision: number): Register | undefined {
    this.#lastReceipt = revision;
    const own = this.#registers.get(revision);
    this.#registers.delete(revision);
    return own;
  }
}
