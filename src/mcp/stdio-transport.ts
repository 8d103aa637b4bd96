import type { Readable, Writable } from "node:stream";
import { serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { maxLineBytes, maxWaitingRefusals } from "./limits.js";
import { LineReader, type Line } from "./line-reader.js";
import { readLine, type Refusal } from "./unreadable.js";

/** Hears of every message at the moment that counts for cause and effect. */
export interface TransportObserver {
  /** The message has come; nobody has acted on it yet. */
  received(message: JSONRPCMessage): void;
  /** The message has been written, whole. */
  written(message: JSONRPCMessage): void;
}

/**
 * JSON-RPC over the process's own streams, one message a line. Unlike the SDK's it says when a message
 * has left the process, it closes when either stream does, and it answers what cannot be read.
 */
export class StdioTransport implements Transport {
  onmessage?: Transport["onmessage"];
  onclose?: () => void;
  onerror?: (error: Error) => void;
  /** Resolves when the transport has closed. */
  readonly closed: Promise<void>;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #observer: TransportObserver;
  readonly #lines = new LineReader(maxLineBytes);
  /** Refusals that the host has not taken yet. */
  #waitingRefusals = 0;
  #isClosed = false;
  #resolveClosed = (): void => {};

  constructor(input: Readable, output: Writable, observer: TransportObserver) {
    this.#input = input;
    this.#output = output;
    this.#observer = observer;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  async start(): Promise<void> {
    if (this.#isClosed) return;
    this.#input.on("data", this.#read);
    for (const event of ["end", "close", "error"]) this.#input.on(event, this.#end);
    for (const event of ["close", "error"]) this.#output.on(event, this.#end);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      this.#output.write(serializeMessage(message), (error) => {
        if (error) this.#end();
        else this.#observer.written(message);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#end();
  }

  readonly #read = (chunk: Buffer): void => {
    for (const line of this.#lines.read(chunk)) {
      if (this.#isClosed) return;
      this.#take(line);
    }
  };

  #take(line: Line): void {
    const { message, refusals = [] } = readLine(line);
    if (message !== undefined) {
      this.#observer.received(message);
      this.onmessage?.(message);
    }
    for (const refusal of refusals) this.#refuse(refusal);
  }

  /** What is wrong with a line costs that line, not the agent its server, whether or not the host listens. */
  #refuse({ id, code, message }: Refusal): void {
    this.onerror?.(new Error(`a line of the host is refused: ${message}`));
    if (id === undefined || this.#waitingRefusals >= maxWaitingRefusals) return;
    this.#waitingRefusals++;
    const answer = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
    this.#output.write(`${answer}\n`, (error) => {
      this.#waitingRefusals--;
      if (error) this.#end();
    });
  }

  /** The listeners of the output stay: what it may still say of a broken pipe must not end the process. */
  readonly #end = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.off("data", this.#read);
    this.#input.pause();
    this.#lines.clear();
    this.onclose?.();
    this.#resolveClosed();
  };
}
