import type { Message } from "../../../../gen/peerline/v1/message_pb.js";
import { maxOwnUntold } from "../limits.js";
import type { MailHead, Register } from "./mail-record.js";

/** A publish of this gateway: its answer and the stream both tell of it, in either order. */
export interface OwnPublish {
  readonly subject: string;
  /** The stream told of it before its answer came. */
  told: MailHead | undefined;
}

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
  /** Those that wait for their answer, by subject. */
  readonly #underWay = new Map<string, OwnPublish>();
  /** Seqs of those of them that the stream has told of. */
  readonly #toldEarly = new Set<number>();
  /** Those that the stream has not told of, by seq; and registers, by revision. */
  readonly #messages = new Map<number, OwnMessage>();
  readonly #registers = new Map<number, Register>();
  #lastMail = 0;
  #lastReceipt = 0;

  /** Undefined where another publish of the subject waits for its answer. */
  begin(subject: string): OwnPublish | undefined {
    if (this.#underWay.has(subject)) return undefined;
    const own: OwnPublish = { subject, told: undefined };
    this.#underWay.set(subject, own);
    return own;
  }

  /** The answer is there. */
  end({ subject, told }: OwnPublish): void {
    this.#underWay.delete(subject);
    if (told !== undefined) this.#toldEarly.delete(told.seq);
  }

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

  /** The stream tells of a message that is not known. Whether it is one whose answer has not come. */
  isUnderWay(subject: string, head: MailHead): boolean {
    const own = this.#underWay.get(subject);
    if (own === undefined) return false;
    own.told = head;
    this.#toldEarly.add(head.seq);
    return true;
  }

  /** Whether the stream has told of it, and its answer has not come. */
  isToldEarly(seq: number): boolean {
    return this.#toldEarly.has(seq);
  }
}
