import { Pulse } from "../../src/mcp/pulse.js";
import { progressTimeoutMs } from "./limits.js";

/** How many messages were accepted so far. */
export class Progress {
  readonly #grown = new Pulse();
  #accepted = 0;

  get accepted(): number {
    return this.#accepted;
  }

  add(count: number): void {
    this.#accepted += count;
    this.#grown.beat();
  }

  /** Resolves when this many more were accepted; fails when that takes too long. */
  async more(count: number): Promise<void> {
    const wanted = this.#accepted + count;
    const signal = AbortSignal.timeout(progressTimeoutMs);
    while (this.#accepted < wanted) await this.#grown.next(signal);
  }
}
