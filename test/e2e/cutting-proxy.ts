import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Stands before a broker's socket. Of the first connection it lets nothing back, of the second one
 * piece of what the broker answers, and so on: whatever was asked is done, and its answer is lost.
 * After `cuts` connections it lets everything through.
 */
export class CuttingProxy implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  static async listen(path: string, broker: string, cuts: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(path, broker, cuts);
    await new Promise<void>((resolve) => proxy.#server.listen(path, resolve));
    return proxy;
  }

  private constructor(path: string, broker: string, cuts: number) {
    this.path = path;
    this.#server = createServer((client) => {
      const allowed = this.#connections < cuts ? this.#connections : Number.POSITIVE_INFINITY;
      this.#connections++;
      this.#join(client, connect(broker), allowed);
    });
  }

  get connections(): number {
    return this.#connections;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.path, { force: true });
  }

  #join(client: Socket, broker: Socket, allowedPieces: number): void {
    let pieces = 0;
    client.on("data", (bytes) => broker.write(bytes));
    broker.on("data", (bytes) => {
      if (pieces++ < allowedPieces) client.write(bytes);
      else client.destroy();
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
