import type { Publisher } from "../publish.js";
import { StoreError } from "../../../broker/store/store.js";
import { toStoreError } from "./registers.js";

/**
 * How far a stream has been told here, and whether that is all. What others have stored before `pass` was called is
 * known here once it resolves.
 */
export class Barrier {
  readonly #publisher: Publisher;
  readonly #stream: string;
  readonly subject: string;
  readonly #waiting = new Set<{ readonly seq: number; readonly resolve: () => void }>();
  #toldSeq = 0;
  #passing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** @param of.subject of the stream: what is stored there has no other use. */
  constructor(of: { publisher: Publisher; stream: string; subject: string }) {
    this.#publisher = of.publisher;
    this.#stream = of.stream;
    this.subject = of.subject;
  }

  /** To be called with each message of the stream, once it is known here. */
  reach(seq: number): void {
    this.#toldSeq = seq;
    for (const one of this.#waiting) {
      if (one.seq > seq) continue;
      this.#waiting.delete(one);
      one.resolve();
    }
  }

  /** UNAVAILABLE where the engine does not store now. While the stream is not heard, it waits. */
  pass(): Promise<void> {
    if (this.#passing === undefined) return this.#begin();
    // One that began before the call does not tell of all that was stored before the call.
    this.#next ??= this.#passing.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const passing = this.#pass().finally(() => {
      if (this.#passing === passing) this.#passing = undefined;
    });
    this.#passing = passing;
    return passing;
  }

  async #pass(): Promise<void> {
    // A stored message is a word of a majority: a leader that was replaced, and does not know it, cannot give it.
    const outcome = await this.#publisher.publish({
      stream: this.#stream,
      subject: this.subject,
      payload: new Uint8Array(),
    });
    if (outcome.state === "conflict") throw new StoreError("UNAVAILABLE", "The stream is in use.");
    if (outcome.state !== "stored") throw toStoreError(outcome);
    const { seq } = outcome;
    if (this.#toldSeq >= seq) return;
    await new Promise<void>((resolve) => this.#waiting.add({ seq, resolve }));
  }
}
