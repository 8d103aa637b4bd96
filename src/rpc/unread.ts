import type { ServerHttp2Stream } from "node:http2";
import type { Writable } from "node:stream";
import { Pulse } from "../pulse.js";
import { maxUnreadBytesOfCall } from "./limits.js";
import { cut } from "./open-streams.js";

/**
 * What a server has written and nobody has taken yet, over all its calls. When that is more than the
 * bound, the call whose reader has taken nothing for longest is reset, and then the next. Its caller
 * hears RESOURCE_EXHAUSTED. A client that does not read costs the others nothing.
 */
export class UnreadResponses {
  readonly #maxBytes: number;
  /** Those with unread bytes; who took some last is last. */
  readonly #calls = new Set<UnreadCall>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** To be closed when the call has ended. */
  open(stream: ServerHttp2Stream | undefined): UnreadCall {
    return new UnreadCall(stream, (call, change) => this.#note(call, change));
  }

  #note(call: UnreadCall, change: number): void {
    this.#bytes += change;
    if (change < 0) this.#calls.delete(call);
    if (call.bytes > 0) this.#calls.add(call);
    for (const longest of this.#calls) {
      if (this.#bytes <= this.#maxBytes) return;
      longest.reset();
    }
  }
}

/** The unread bytes of one call. */
export class UnreadCall {
  readonly #stream: ServerHttp2Stream | undefined;
  readonly #note: (call: UnreadCall, change: number) => void;
  #bytes = 0;
  #isClosed = false;

  constructor(
    stream: ServerHttp2Stream | undefined,
    note: (call: UnreadCall, change: number) => void,
  ) {
    this.#stream = stream;
    this.#note = note;
  }

  get bytes(): number {
    return this.#bytes;
  }

  written(bytes: number): void {
    if (this.#isClosed) return;
    this.#bytes += bytes;
    this.#note(this, bytes);
  }

  taken(bytes: number): void {
    if (this.#isClosed) return;
    this.#bytes -= bytes;
    this.#note(this, -bytes);
  }

  /** The call has ended, and what was unread with it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const unread = this.#bytes;
    this.#bytes = 0;
    this.#note(this, -unread);
  }

  /** Ends the call, whatever its reader does. */
  reset(): void {
    this.close();
    if (this.#stream !== undefined) cut(this.#stream);
  }
}

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
