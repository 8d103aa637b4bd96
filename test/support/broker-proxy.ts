import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Stands before a broker's socket. What a client asks always arrives; what becomes of the answers is for
 * the proxy of each kind to say.
 */
export abstract class BrokerProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  protected constructor(broker: string) {
    this.#server = createServer((client) => this.#join(client, connect(broker)));
  }

  /** A client has connected. Returns what is called with each piece of its answers. */
  protected abstract joined(client: Socket): (answer: Buffer) => void;

  protected async listenAt(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, broker: Socket): void {
    client.on("data", (bytes) => broker.write(bytes));
    broker.on("data", this.joined(client));
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
