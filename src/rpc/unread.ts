import type { ServerHttp2Stream } from "node:http2";
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
