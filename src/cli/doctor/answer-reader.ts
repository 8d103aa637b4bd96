import { maxStartBytes } from "./limits.js";

export type Answer =
  | { readonly kind: "answered"; readonly name: string; readonly version: string }
  /** It wrote so many bytes, at the least, that are no JSON-RPC. */
  | { readonly kind: "noise"; readonly bytes: number };

/** Reads the standard output of an MCP server that was asked to initialize with the id 1. */
export class AnswerReader {
  readonly answer: Promise<Answer>;
  #resolve!: (answer: Answer) => void;
  #pending = Buffer.alloc(0);
  #readBytes = 0;
  #noiseBytes = 0;

  constructor() {
    this.answer = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Bytes that were no JSON-RPC; what is not a whole line is not counted. */
  get noiseBytes(): number {
    return this.#noiseBytes;
  }

  read(chunk: Buffer): void {
    this.#readBytes += chunk.length;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const end = this.#pending.indexOf("\n");
      if (end === -1) break;
      this.#take(this.#pending.subarray(0, end + 1));
      this.#pending = this.#pending.subarray(end + 1);
    }
    if (this.#readBytes > maxStartBytes) this.#drop();
  }

  #take(line: Buffer): void {
    const message = parse(line.toString());
    if (message?.["jsonrpc"] !== "2.0") this.#reject(line.length);
    else if (message["id"] === 1) this.#resolve(serverOf(message));
  }

  /** An endless line is none of the protocol's. */
  #drop(): void {
    if (this.#pending.length > 0) this.#reject(this.#pending.length);
    this.#pending = Buffer.alloc(0);
  }

  #reject(bytes: number): void {
    this.#noiseBytes += bytes;
    this.#resolve({ kind: "noise", bytes: this.#noiseBytes });
  }
}

function serverOf(message: Record<string, unknown>): Answer {
  const result = objectOf(message["result"]);
  const { name, version } = objectOf(result["serverInfo"]);
  return { kind: "answered", name: textOf(name), version: textOf(version) };
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return objectOf(JSON.parse(line));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
