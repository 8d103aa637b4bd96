import { createServer, connect, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { CallCounter } from "./call-counter.js";
import type { Random } from "./random.js";

/** A socket that leads to another one, and whose connections can be cut at any byte. */
export class Wire implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #hold: { readonly call: number; readonly reached: (release: () => void) => void } | undefined;

  private constructor(path: string, target: string) {
    this.path = path;
    this.#server = createServer((near) => {
      const far = connect(target);
      this.#forward(near, far);
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
    const wire = new Wire(path, target);
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

  /**
   * Resolves when a connection that is still to come begins its `call`th call, which is kept back until
   * what this resolves to is called.
   */
  hold(call: number): Promise<() => void> {
    return new Promise((resolve) => {
      this.#hold = { call, reached: resolve };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #forward(near: Socket, far: Socket): void {
    const calls = new CallCounter();
    near.on("data", (bytes) => {
      const { call = Number.POSITIVE_INFINITY, reached } = this.#hold ?? {};
      const begun = calls.add(bytes, call);
      if (begun === undefined || reached === undefined) return void far.write(bytes);
      this.#hold = undefined;
      far.write(bytes.subarray(0, begun));
      near.pause();
      reached(() => {
        far.write(bytes.subarray(begun));
        near.resume();
      });
    });
    near.on("end", () => far.end());
  }
}
