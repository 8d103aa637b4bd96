import { maxLinePieces, maxKeptTokenBytes } from "./limits.js";

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

/**
 * What can be known of a JSON-RPC message that is too long to be kept: its id, and whether it asks for
 * an answer. It looks at each byte once and keeps only the strings and numbers of the outermost object,
 * at most `maxKeptTokenBytes` of each.
 */
export class LongLine {
  /** Undefined where there is none, or none that could be a request's. */
  id: string | number | undefined;
  isRequest = false;
  #depth = 0;
  #isObject = false;
  #inString = false;
  #isEscaped = false;
  #token = "";
  #key = "";

  add(bytes: Buffer): void {
    for (const byte of bytes) {
      if (this.#inString) this.#inText(byte);
      else this.#between(byte);
    }
  }

  #inText(byte: number): void {
    this.#keep(byte);
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === backslash) this.#isEscaped = true;
    else if (byte === quote) this.#inString = false;
  }

  #between(byte: number): void {
    switch (byte) {
      case quote:
        this.#inString = true;
        this.#keep(byte);
        return;
      case openBrace:
      case openBracket:
        if (this.#depth === 0) this.#isObject = byte === openBrace;
        this.#depth++;
        return;
      case closeBrace:
      case closeBracket:
        if (this.#depth === 1) this.#endMember();
        this.#depth--;
        return;
      case colon:
        if (this.#depth === 1) this.#endKey();
        return;
      case comma:
        if (this.#depth === 1) this.#endMember();
        return;
      default:
        this.#keep(byte);
    }
  }

  #keep(byte: number): void {
    if (this.#depth !== 1 || !this.#isObject || this.#token.length >= maxKeptTokenBytes) return;
    this.#token += String.fromCharCode(byte);
  }

  #endKey(): void {
    this.#key = this.#token.trim();
    this.#token = "";
  }

  #endMember(): void {
    const value = parsed(this.#token);
    this.#token = "";
    if (this.#key === '"method"') this.isRequest = true;
    const isId = typeof value === "string" || Number.isSafeInteger(value);
    if (this.#key === '"id"' && isId) this.id = value as string | number;
    this.#key = "";
  }
}

function parsed(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, "latin1").toString("utf8"));
  } catch {
    return undefined;
  }
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
