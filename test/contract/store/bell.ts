import type { AdvancedReceipt, QueueListener } from "../../../src/broker/store/queues.js";

/** A listener that a test can wait for. */
export class Bell implements QueueListener {
  rings = 0;
  readonly deadLettered: AdvancedReceipt[] = [];
  #isUnheard = false;
  #listen: (() => void) | undefined;

  wake(): void {
    this.rings += 1;
    this.#isUnheard = true;
    this.#listen?.();
  }

  damaged(deadLettered: AdvancedReceipt): void {
    this.deadLettered.push(deadLettered);
  }

  /** Resolves when the bell has rung since it was last heard. */
  async heard(): Promise<void> {
    if (!this.#isUnheard) {
      await new Promise<void>((resolve) => {
        this.#listen = resolve;
      });
    }
    this.#isUnheard = false;
  }
}

/** For a test that does not listen. */
export const silent: QueueListener = { wake() {}, damaged() {} };
