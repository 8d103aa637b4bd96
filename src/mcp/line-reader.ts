import { maxLinePieces } from "./limits.js";
import { LongLine } from "./long-line.js";

/** A line of the host's: its text, or what is known of one that is too long to be kept. */
export type Line =
  | { readonly text: string; readonly tooLong?: undefined }
  | { readonly tooLong: LongLine };

/** Cuts bytes into lines. It keeps no more than `maxBytes` of a line. */
export class LineReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #long: LongLine | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this chunk, which may have begun before it. */
  *read(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(lineFeed, start);
      this.#add(chunk.subarray(start, end === -1 ? undefined : end));
      if (end === -1) return;
      yield this.#take();
      start = end + 1;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#long = undefined;
  }

  #add(bytes: Buffer): void {
    if (this.#long !== undefined) {
      this.#long.add(bytes);
      return;
    }
    if (bytes.length === 0) return;
    // Many small pieces would take more room than what is in them.
    if (this.#chunks.length === maxLinePieces) this.#chunks = [Buffer.concat(this.#chunks)];
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes <= this.#maxBytes) return;
    const long = new LongLine();
    for (const part of this.#chunks) long.add(part);
    this.clear();
    this.#long = long;
  }

  #take(): Line {
    const line: Line =
      this.#long === undefined
        ? { text: Buffer.concat(this.#chunks, this.#bytes).toString("utf8") }
        : { tooLong: this.#long };
    this.clear();
    return line;
  }
}

const lineFeed = 0x0a;
