import type { MailHead } from "./mail-record.js";

/** Recipients that repeats have added to messages, which do not name them. */
export class AddedRecipients {
  readonly #byMessage = new Map<string, Map<number, string>>();
  readonly #keys = new Map<number, string>();

  note({ isAdded, seq, from, messageId, to }: MailHead): void {
    if (!isAdded) return;
    const key = keyOf(from.peerId, messageId);
    const added = this.#byMessage.get(key) ?? new Map<number, string>();
    this.#byMessage.set(key, added.set(seq, to.peerId));
    this.#keys.set(seq, key);
  }

  /** Their ids, in the order of acceptance. */
  of(from: string, messageId: string): string[] {
    const added = this.#byMessage.get(keyOf(from, messageId)) ?? [];
    return [...added].toSorted(([a], [b]) => a - b).map(([, peerId]) => peerId);
  }

  forget(seq: number): void {
    const key = this.#keys.get(seq);
    if (key === undefined) return;
    this.#keys.delete(seq);
    const added = this.#byMessage.get(key);
    added?.delete(seq);
    if (added?.size === 0) this.#byMessage.delete(key);
  }
}

function keyOf(from: string, messageId: string): string {
  return `${from} ${messageId}`;
}
