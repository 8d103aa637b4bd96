import type { Socket } from "node:net";
import { BrokerProxy } from "./broker-proxy.js";

/** Passes everything on, in both directions; while it withholds, what is answered waits. */
export class WithholdingProxy extends BrokerProxy {
  readonly #answers: (() => void)[] = [];
  /** When each connection came, by the monotonic clock, in milliseconds. */
  readonly joinedMs: number[] = [];
  #isWithholding = false;

  static async listen(path: string, broker: string): Promise<WithholdingProxy> {
    const proxy = new WithholdingProxy(broker);
    await proxy.listenAt(path);
    return proxy;
  }

  withhold(): void {
    this.#isWithholding = true;
  }

  release(): void {
    this.#isWithholding = false;
    for (const pass of this.#answers.splice(0)) pass();
  }

  protected override joined(client: Socket): (answer: Buffer) => void {
    this.joinedMs.push(performance.now());
    return (answer) => {
      if (this.#isWithholding) this.#answers.push(() => client.write(answer));
      else client.write(answer);
    };
  }
}
