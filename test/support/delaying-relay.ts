import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A slow link to an address: what enters at one end leaves at the other after a while, in its order. */
export class DelayingRelay implements AsyncDisposable {
  /** Of each piece, in milliseconds, in either direction. */
  delayMs = 0;
  /** That were ever made through it. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async to(address: string): Promise<DelayingRelay> {
    const relay = new DelayingRelay(address);
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  private constructor(address: string) {
    const [host = "", port] = address.split(":");
    this.#server = createServer((client) => {
      this.connections++;
      const server = connect({ host, port: Number(port), noDelay: true });
      client.setNoDelay();
      this.#pass(client, server);
      this.#pass(server, client);
    });
  }

  /** As `host:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("error", () => undefined);
    // Timers of one delay run in the order in which they were set.
    from.on("data", (bytes) => {
      setTimeout(() => to.writable && to.write(bytes), this.delayMs);
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      setTimeout(() => to.end(), this.delayMs);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
