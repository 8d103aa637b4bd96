import type { Readable, Writable } from "node:stream";
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { maxLineBytes } from "./limits.js";

/** Hears of every message at the moment that counts for cause and effect. */
export interface TransportObserver {
  /** The message has come; nobody has acted on it yet. */
  received(message: JSONRPCMessage): void;
  /** The message has been written, whole. */
  written(message: JSONRPCMessage): void;
}

/**
 * JSON-RPC over the process's own streams, one message a line. Unlike the SDK's it says when a message
 * has left the process, and it closes when either stream does.
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
  readonly #buffer = new ReadBuffer({ maxBufferSize: maxLineBytes });
  /** The rest of a line that was too long is passed over. */
  #isSkipping = false;
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
    this.#append(chunk);
    while (!this.#isClosed) {
      try {
        const message = this.#buffer.readMessage();
        if (message === null) return;
        this.#observer.received(message);
        this.onmessage?.(message);
      } catch (error) {
        // A line that is no message. The next may be one.
        this.#report(error);
      }
    }
  };

  /** What a line has beyond the bound costs that line, not the agent its server. */
  #append(chunk: Buffer): void {
    if (this.#isSkipping) {
      const end = chunk.indexOf("\n");
      if (end === -1) return;
      this.#isSkipping = false;
      return this.#append(chunk.subarray(end + 1));
    }
    try {
      this.#buffer.append(chunk);
    } catch (error) {
      // The buffer is empty now: whole lines had been taken out of it, and the long one is dropped.
      this.#report(error);
      this.#isSkipping = true;
      this.#append(chunk);
    }
  }

  #report(error: unknown): void {
    this.onerror?.(error instanceof Error ? error : new Error(String(error)));
  }

  /** The listeners of the output stay: what it may still say of a broken pipe must not end the process. */
  readonly #end = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.off("data", this.#read);
    this.#input.pause();
    this.#buffer.clear();
    this.onclose?.();
    this.#resolveClosed();
  };
}
