import type { Socket } from "node:net";
import { BrokerProxy } from "../support/broker-proxy.js";

/**
 * Loses answers: what a client asks for is done, and the answer is cut off. The first connection gets no
 * piece of an answer, the second connection one piece, and so on. After `cuts` connections everything
 * passes.
 */
export class CuttingProxy extends BrokerProxy {
  readonly path: string;
  readonly #cuts: number;
  #connections = 0;

  static async listen(path: string, broker: string, cuts: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(path, broker, cuts);
    await proxy.listenAt(path);
    return proxy;
  }

  private constructor(path: string, broker: string, cuts: number) {
    super(broker);
    this.path = path;
    this.#cuts = cuts;
  }

  get connections(): number {
    return this.#connections;
  }

  protected override joined(client: Socket): (answer: Buffer) => void {
    const allowed = this.#connections < this.#cuts ? this.#connections : Number.POSITIVE_INFINITY;
    this.#connections++;
    let pieces = 0;
    return (answer) => {
      if (pieces++ < allowed) client.write(answer);
      else client.destroy();
    };
  }
}
