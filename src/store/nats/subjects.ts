/**
 * A text as one token of a subject. Ids stay as they are; anything else is encoded, so that no text can
 * reach another subject.
 */
export function toToken(text: string): string {
  return /^[\w-]{1,128}$/.test(text) ? text : `=${Buffer.from(text).toString("base64url")}`;
}

export function fromToken(token: string): string {
  return token.startsWith("=") ? Buffer.from(token.slice(1), "base64url").toString() : token;
}

/** Which delivery: a message of a sender for one recipient. */
export interface MailKey {
  readonly to: string;
  readonly from: string;
  readonly messageId: string;
}

/** Which delivery, by its place in the stream of mail. */
export interface ReceiptKey {
  readonly to: string;
  readonly seq: number;
  readonly messageId: string;
}

/** How many characters of a message id's end are a token of their own: messages are sought by them. */
export const tailLength = 8;

/** The subjects of messages and receipts, below a prefix of one token. */
export class MailSubjects {
  readonly #mail: string;
  readonly #receipt: string;

  constructor(prefix: string) {
    this.#mail = `${prefix}.mail`;
    this.#receipt = `${prefix}.receipt`;
  }

  mail({ to, from, messageId }: MailKey): string {
    const tail = toToken(messageId.slice(-tailLength));
    return `${this.#mail}.${toToken(to)}.${toToken(from)}.${tail}.${toToken(messageId)}`;
  }

  /** Those of all messages whose id ends so. Ids that end otherwise may be among them, if their tails are equal. */
  mailWithTail(messageId: string): string {
    return `${this.#mail}.*.*.${toToken(messageId.slice(-tailLength))}.*`;
  }

  /** Those of a message, one for each recipient. */
  mailOfMessage({ from, messageId }: Omit<MailKey, "to">): string {
    const tail = toToken(messageId.slice(-tailLength));
    return `${this.#mail}.*.${toToken(from)}.${tail}.${toToken(messageId)}`;
  }

  /** Undefined where it is none of these. */
  readMail(subject: string): MailKey | undefined {
    const tokens = subject.startsWith(`${this.#mail}.`)
      ? subject.slice(this.#mail.length + 1).split(".")
      : [];
    const [to, from, , messageId] = tokens;
    if (tokens.length !== 4 || to === undefined || from === undefined || messageId === undefined) {
      return undefined;
    }
    return { to: fromToken(to), from: fromToken(from), messageId: fromToken(messageId) };
  }

  /** Of a message that tells nothing but that it was stored. */
  get receiptBarrier(): string {
    return `${this.#receipt}.barrier`;
  }

  /**
   * Of where a delivery stands. The message's id is in it because servers that have lost messages give their
   * sequences to others, of which nothing is told by the receipts of those.
   */
  receipt({ to, seq, messageId }: ReceiptKey): string {
    return `${this.#receipt}.${toToken(to)}.${seq}.${toToken(messageId)}`;
  }

  /** Those of all messages that ever had a sequence. */
  receiptsAt(to: string, seq: number): string {
    return `${this.#receipt}.${toToken(to)}.${seq}.*`;
  }

  readReceipt(subject: string): ReceiptKey | undefined {
    const tokens = subject.startsWith(`${this.#receipt}.`)
      ? subject.slice(this.#receipt.length + 1).split(".")
      : [];
    const [to, place, messageId] = tokens;
    const seq = Number(place);
    if (tokens.length !== 3 || to === undefined || messageId === undefined) return undefined;
    if (!Number.isSafeInteger(seq) || seq < 1) return undefined;
    return { to: fromToken(to), seq, messageId: fromToken(messageId) };
  }
}
