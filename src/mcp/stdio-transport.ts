import type { Readable, Writable } from "node:stream";
import type { Message } from "./json-rpc.js";
import { maxLineBytes, maxWaitingRefusals } from "./limits.js";
import { LineReader, type Line } from "./line-reader.js";
import { readLine, type Refusal } from "./unreadable.js";

/**
 * JSON-RPC over the process's own streams, one message a line. It says when a message has left the process, it
 * closes when either stream does, and it answers what cannot be read.
 */
export class StdioTransport {
  /** Resolves when the transport has closed. */
  readonly closed: Promise<void>;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #log: (line: string) => void;
  readonly #lines = new LineReader(maxLineBytes);
  #onMessage: (message: Message) => void = () => {};
  /** Refusals that the host has not taken yet. */
  #waitingRefusals = 0;
  #isClosed = false;
  #resolveClosed = (): void => {};

  constructor(input: Readable, output: Writable, log: (line: string) => void) {
    this.#input = input;
    this.#output = output;
    this.#log = log;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  start(onMessage: (message: Message) => void): void {
    if (this.#isClosed) return;
    this.#onMessage = onMessage;
    this.#input.on("data", this.#read);
    for (const event of ["end", "close", "error"]) this.#input.on(event, this.close);
    for (const event of ["close", "error"]) this.#output.on(event, this.close);
  }

  /** Resolves to whether the message has been written, whole. */
  async send(message: Message): Promise<boolean> {
    if (this.#isClosed) return false;
    return new Promise((resolve) => {
      this.#output.write(`${JSON.stringify(message)}\n`, (error) => {
        if (error) this.close();
        resolve(!error);
      });
    });
  }

  readonly #read = (chunk: Buffer): void => {
    for (const line of this.#lines.read(chunk)) {
      if (this.#isClosed) return;
      this.#take(line);
    }
  };

  #take(line: Line): void {
    const { message, refusals = [] } = readLine(line);
    if (message !== undefined) this.#onMessage(message);
    for (const refusal of refusals) this.#refuse(refusal);
  }

  /** What is wrong with a line costs that line, not the agent its server, whether or not the host listens. */
  #refuse({ id, code, message }: Refusal): void {
    this.#log(`a line of the host is refused: ${message}`);
    if (id === undefined || this.#waitingRefusals >= maxWaitingRefusals) return;
    this.#waitingRefusals++;
    const answer = JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
    this.#output.write(`${answer}\n`, (error) => {
      this.#waitingRefusals--;
      if (error) this.close();
    });
  }

  /** The listeners of the output stay: what it may still say of a broken pipe must not end the process. */
  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input.off("data", this.#read);
    this.#input.pause();
    this.#lines.clear();
    this.#resolveClosed();
  };
}
