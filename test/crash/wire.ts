import { createServer, connect, type Server, type Socket } from "node:net";
import { once } from "node:events";
import type { Random } from "./random.js";

/** A socket that leads to another one, and whose connections can be cut at any byte. */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(target: string) {
    this.#server = createServer((near) => {
      const far = connect(target);
      near.pipe(far);
      far.pipe(near);
      this.#connections.add(near);
      const end = (): void => {
        near.destroy();
        far.destroy();
        this.#connections.delete(near);
      };
      for (const socket of [near, far]) socket.on("error", end).on("close", end);
    });
  }

  static async open(path: string, target: string): Promise<Wire> {
    const wire = new Wire(target);
    wire.#server.listen(path);
    await once(wire.#server, "listening");
    return wire;
  }

  /** Cuts some of the connections, at least one; says how many. */
  cut(random: Random): number {
    const connections = [...this.#connections];
    const cut = random.sample(connections, random.between(1, Math.max(1, connections.length)));
    for (const connection of cut) connection.destroy();
    return cut.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }
}
