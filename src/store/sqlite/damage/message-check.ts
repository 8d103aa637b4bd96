import {
  type DeliveryRow,
  deliveryChecksum,
  messageChecksum,
  type MessageRow,
} from "./row-checksums.js";
import { maxKnownDamaged } from "../limits.js";

/** A message as it is read back. libsql gives blobs as ArrayBuffer; null stands for a row that is gone. */
export interface CheckedMessage extends Omit<MessageRow, "body"> {
  readonly id: number;
  readonly checksum: number;
  readonly body: ArrayBuffer | null;
}

/** A delivery as it is read back. */
export interface CheckedDelivery extends DeliveryRow {
  readonly deliveryChecksum: number;
}

/** Reads messages and receipts only as they were written, and remembers which were not. */
export class MessageCheck {
  readonly #damagedIds = new Set<number>();
  readonly #tell: (words: string) => void;

  /** @param tell is told of each message that is found damaged, once. */
  constructor(tell: (words: string) => void = () => {}) {
    this.#tell = tell;
  }

  /** Messages found damaged so far, themselves or a receipt of theirs, up to `maxKnownDamaged`. */
  get damagedMessages(): number {
    return this.#damagedIds.size;
  }

  /** The body of a row that is as it was written; undefined where it is damaged. */
  intactBody(row: CheckedMessage): Uint8Array | undefined {
    const body = row.body === null ? undefined : new Uint8Array(row.body);
    if (body !== undefined && messageChecksum(row.id, { ...row, body }) === row.checksum) {
      return body;
    }
    this.#note(row.id, `The stored message ${row.id} is damaged; it is set aside.`);
    return undefined;
  }

  /** Whether the delivery is as it was written. */
  isIntact(row: CheckedDelivery): boolean {
    if (deliveryChecksum(row) === row.deliveryChecksum) return true;
    this.#note(row.id, `The receipt ${row.seq} of message ${row.id} is damaged; it is set aside.`);
    return false;
  }

  #note(id: number, words: string): void {
    if (this.#damagedIds.has(id) || this.#damagedIds.size >= maxKnownDamaged) return;
    this.#damagedIds.add(id);
    this.#tell(words);
  }
}
