import { maxRecentMessages } from "../limits.js";
import type { MailHead } from "./mail-record.js";

/** What is known of a message without asking the engine. */
export interface RecentMessage {
  /** Of one of its deliveries. */
  readonly seq: number;
  readonly to: string;
  readonly fingerprint: string;
}

/** The messages that were accepted last, by whichever gateway: those whose ids are repeated soon, if ever. */
export class RecentMessages {
  readonly #byKey = new Map<string, RecentMessage>();
  /** When those were made that are forgotten, by their ids. */
  #horizonMs = 0;

  find(from: string, messageId: string): RecentMessage | undefined {
    return this.#byKey.get(`${from} ${messageId}`);
  }

  /** Whether a message of this id was never accepted, as far as its id tells its age (UUIDv7). */
  isSurelyNew(messageId: string): boolean {
    const madeMs = timeOf(messageId);
    return madeMs !== undefined && madeMs > this.#horizonMs;
  }

  note({ from, messageId, seq, to, fingerprint, acceptMs }: MailHead): void {
    const key = `${from.peerId} ${messageId}`;
    if (this.#byKey.has(key)) return;
    this.#byKey.set(key, { seq, to: to.peerId, fingerprint });
    if (this.#byKey.size <= maxRecentMessages) return;
    const [oldest] = this.#byKey.keys();
    if (oldest !== undefined) this.#byKey.delete(oldest);
    // By then, and not by the id that is forgotten: its sender's clock may be wrong.
    this.#horizonMs = Math.max(this.#horizonMs, timeOf(messageId) ?? acceptMs, acceptMs);
  }

  forget(from: string, messageId: string): void {
    this.#byKey.delete(`${from} ${messageId}`);
  }
}

/** The time that a UUIDv7 begins with, in milliseconds; undefined for an id of another kind. */
function timeOf(messageId: string): number | undefined {
  if (messageId[14] !== "7") return undefined;
  const time = Number.parseInt(messageId.slice(0, 8) + messageId.slice(9, 13), 16);
  return Number.isNaN(time) ? undefined : time;
}
