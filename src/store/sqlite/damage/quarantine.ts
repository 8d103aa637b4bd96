import { maxKnownDamaged } from "../limits.js";
import type { ReadDelivery, ReadMessage } from "../statements.js";
import { deliveryTable, messageTable } from "../tables.js";
import { isIntact } from "./checksums.js";

/** Gives out only messages and receipts that are as they were written, and counts the others. */
export class Quarantine {
  readonly #damagedIds = new Set<number>();
  readonly #tell: (words: string) => void;

  /** @param tell hears of each damaged message once. */
  constructor(tell: (words: string) => void = () => {}) {
    this.#tell = tell;
  }

  /** Messages that were found damaged, or have a damaged receipt. At most `maxKnownDamaged`. */
  get damagedMessages(): number {
    return this.#damagedIds.size;
  }

  /** The body of a row that is as it was written; undefined where it is damaged. */
  intactBody(row: ReadMessage): Uint8Array | undefined {
    if (row.body !== null && isIntact(messageTable, row)) return row.body;
    this.#note(row.id, `The stored message ${row.id} is damaged; it is set aside.`);
    return undefined;
  }

  /** Whether the delivery is as it was written. */
  isIntact(row: ReadDelivery): boolean {
    if (isIntact(deliveryTable, row)) return true;
    this.#note(row.id, `The receipt ${row.seq} of message ${row.id} is damaged; it is set aside.`);
    return false;
  }

  #note(id: number, words: string): void {
    if (this.#damagedIds.has(id) || this.#damagedIds.size >= maxKnownDamaged) return;
    this.#damagedIds.add(id);
    this.#tell(words);
  }
}
