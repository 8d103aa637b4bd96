import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Stands before a broker's socket and passes everything on, in both directions; while it withholds, what
 * is asked still arrives and what is answered waits.
 */
export class WithholdingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers: (() => void)[] = [];
  /** When each connection came, by the monotonic clock, in milliseconds. */
  readonly joinedMs: number[] = [];
  #isWithholding = false;

  static async listen(path: string, broker: string): Promise<WithholdingProxy> {
    const proxy = new WithholdingProxy(broker);
    await new Promise<void>((resolve) => proxy.#server.listen(path, resolve));
    return proxy;
  }

  private constructor(broker: string) {
    this.#server = createServer((client) => this.#join(client, connect(broker)));
  }

  withhold(): void {
    this.#isWithholding = true;
  }

  release(): void {
    this.#isWithholding = false;
    for (const pass of this.#answers.splice(0)) pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, broker: Socket): void {
    this.joinedMs.push(performance.now());
    client.on("data", (bytes) => broker.write(bytes));
    broker.on("data", (bytes) => {
      if (this.#isWithholding) this.#answers.push(() => client.write(bytes));
      else client.write(bytes);
    });
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.end();
      });
    }
  }
}
