import type { Socket } from "node:net";
import { BrokerProxy } from "../support/broker-proxy.js";

/** Counts what goes between clients and their broker: calls, and bytes in both directions. */
export class CountingProxy extends BrokerProxy {
  readonly path: string;
  #calls = 0;
  #bytes = 0;

  private constructor(broker: string, path: string) {
    super(broker);
    this.path = path;
  }

  static async start(broker: string, path: string): Promise<CountingProxy> {
    const proxy = new CountingProxy(broker, path);
    await proxy.listenAt(path);
    return proxy;
  }

  get counts(): { calls: number; bytes: number } {
    return { calls: this.#calls, bytes: this.#bytes };
  }

  protected override joined(client: Socket): (answer: Buffer) => void {
    const frames = new FrameTypes();
    client.on("data", (bytes) => {
      this.#bytes += bytes.length;
      // A client sends one such frame for each of its calls.
      for (const type of frames.read(bytes)) if (type === headersFrame) this.#calls++;
    });
    return (answer) => {
      this.#bytes += answer.length;
      client.write(answer);
    };
  }
}

const headersFrame = 1;

/** The types of the HTTP/2 frames in what a client sends, wherever its chunks end. */
class FrameTypes {
  #head = Buffer.alloc(0);
  /** The preface, then the content of the frame that is under way. */
  #skip = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

  *read(bytes: Buffer): Generator<number> {
    let rest = bytes;
    while (rest.length > 0) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      const missing = headBytes - this.#head.length;
      this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#head.length < headBytes) return;
      yield this.#head.readUInt8(3);
      this.#skip = this.#head.readUIntBE(0, 3);
      this.#head = Buffer.alloc(0);
    }
  }
}

/** Of a frame, before its content. */
const headBytes = 9;
