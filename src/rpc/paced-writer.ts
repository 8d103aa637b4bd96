import type { Writable } from "node:stream";

/**
 * Writes to a stream no faster than its reader reads. It listens once, however many writes wait.
 *
 * `stop` has to be called when the stream's call ends: grpc-js then drops what is written, and the
 * stream never drains.
 */
export class PacedWriter {
  readonly #stream: Writable;
  #stopped = false;
  #resume: () => void = () => {};

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("drain", () => this.#resume());
  }

  /** Resolves when there is room for more: to false, with nothing more written, once stopped. */
  async write(bytes: Buffer): Promise<boolean> {
    if (!this.#stopped && !this.#stream.write(bytes)) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    return !this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#resume();
  }
}
