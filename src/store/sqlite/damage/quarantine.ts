import { maxKnownDamaged } from "../limits.js";
import type { ReadDelivery, ReadMessage } from "../statements.js";
import { deliveryTable, messageTable } from "../tables.js";
import { isIntact } from "./checksums.js";

/** Reads messages and receipts only as they were written, and remembers which were not. */
export class Quarantine {
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
