import type { Writable } from "node:stream";
import { Pulse } from "../pulse.js";
import { maxUnreadBytesOfCall } from "./limits.js";

/** Hears what was written to a stream, and what of it was taken further. */
interface Account {
  written(bytes: number): void;
  taken(bytes: number): void;
}

/**
 * Writes to a stream no faster than its reader reads. It listens once, however many writes wait.
 *
 * `stop` has to be called when the stream's call ends: grpc-js then drops what is written, and the
 * stream never drains.
 */
export class PacedWriter {
  readonly #stream: Writable;
  readonly #account: Account | undefined;
  #unread = 0;
  #stopped = false;
  readonly #takings = new Pulse();

  constructor(stream: Writable, account?: Account) {
    this.#stream = stream;
    this.#account = account;
    stream.on("drain", () => this.#takings.beat());
  }

  /** Resolves when there is room for more: to false, with nothing more written, once stopped. */
  async write(bytes: Buffer): Promise<boolean> {
    if (this.#stopped) return false;
    const { byteLength } = bytes;
    this.#unread += byteLength;
    this.#account?.written(byteLength);
    this.#stream.write(bytes, () => {
      this.#unread -= byteLength;
      this.#account?.taken(byteLength);
      this.#takings.beat();
    });
    while (!this.#stopped && this.#isFull) await this.#takings.next();
    return !this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#takings.beat();
  }

  /** The stream itself counts messages, whatever their size. */
  get #isFull(): boolean {
    return this.#stream.writableNeedDrain || this.#unread >= maxUnreadBytesOfCall;
  }
}
