import { newSecret } from "../support/test-broker.js";
import type { BrokerHome } from "../support/program.js";
import type { AdapterUnderFire } from "./adapter-under-fire.js";
import { Chance } from "./chance.js";
import { Drivers } from "./drivers.js";
import { hostileLine } from "./hostile-line.js";
import { targetNames } from "./hostile-text.js";
import { callShare, connectionShare, inputsPerDriver, linesAtOnce } from "./limits.js";

/** Hostile input of every kind, against a broker and an adapter that run; and what became of it. */
export class Barrage implements AsyncDisposable {
  readonly #adapter: AdapterUnderFire;
  readonly #drivers: Drivers;
  /** Its own, so that the seed repeats the lines whatever comes of calls and connections. */
  readonly #lineChance: Chance;
  /** Calls by the status they ended with, connections, lines. */
  readonly #counts = new Map<string, number>();

  /** @param program of the drivers, as `buildDriver` made it. */
  constructor(home: BrokerHome, adapter: AdapterUnderFire, program: string, seed: number) {
    this.#adapter = adapter;
    const chance = new Chance(seed);
    this.#lineChance = new Chance(chance.int(2 ** 32));
    const targets = targetNames.map((name) => ({ name, secret: newSecret() }));
    const aim = { home: home.path, socket: home.socket, targets };
    this.#drivers = new Drivers(program, { ...aim, seed: chance.int(2 ** 32) }, inputsPerDriver);
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What was sent, what became of it, and of those that sent it. */
  describe(): string {
    const { started, deaths } = this.#drivers;
    const whats = [...this.#counts.keys()].toSorted();
    return [
      ...whats.map((what) => `${this.#counts.get(what)} × ${what}`),
      `driver processes: ${started}, ended by a signal: ${deaths.length}`,
    ].join("\n");
  }

  /** Sends so many inputs, of all kinds at the same time. */
  async fire(inputs: number): Promise<void> {
    const fromDrivers = Math.ceil(inputs * (callShare + connectionShare));
    await Promise.all([
      this.#drivers.fire(fromDrivers, (outcomes) => {
        for (const [what, count] of Object.entries(outcomes)) this.#count(what, count);
      }),
      this.#fireLines(inputs - fromDrivers),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drivers[Symbol.asyncDispose]();
  }

  async #fireLines(count: number): Promise<void> {
    for (let left = count; left > 0; left -= linesAtOnce) {
      const length = Math.min(left, linesAtOnce);
      await this.#adapter.fire(Array.from({ length }, () => hostileLine(this.#lineChance)));
      await this.#adapter.expectWell();
      this.#count("line to the adapter", length);
    }
  }

  #count(what: string, more: number): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + more);
  }
}
