import { sleep } from "../../src/clock.js";
import type { BrokerProcess } from "./broker-process.js";
import { maxStopMs, minStopMs } from "./limits.js";
import type { Progress } from "./progress.js";
import type { Random } from "./random.js";
import type { Victim } from "./victim.js";
import type { Wire } from "./wire.js";

/** Each fault, and how often it is chosen among all. */
const weights = {
  "kill -9 of the broker": 50,
  "kill -9 of an adapter": 8,
  "kill -9 of the broker and an adapter at once": 20,
  "SIGSTOP of the broker": 7,
  "SIGSTOP of an adapter": 7,
  "streams cut": 8,
  "kill -9 of an adapter between Register and Subscribe": 6,
  "kill -9 of the broker between Register and Subscribe": 6,
  "kill -9 of the broker and an adapter between Register and Subscribe": 6,
} as const;

export type Fault = keyof typeof weights;

/** Of all faults, those in which the broker is killed; about. */
export const killShare = 0.75;

/** Does harm, at random, and counts it. */
export class Nemesis {
  readonly strikes = new Map<Fault, number>();
  brokerKills = 0;
  readonly #broker: BrokerProcess;
  readonly #adapters: readonly Victim[];
  readonly #wires: readonly Wire[];
  readonly #progress: Progress;
  readonly #random: Random;
  readonly #calmMessages: number;

  constructor(options: {
    broker: BrokerProcess;
    adapters: readonly Victim[];
    wires: readonly Wire[];
    progress: Progress;
    random: Random;
    /** Messages accepted between two faults, on average. */
    calmMessages: number;
  }) {
    this.#broker = options.broker;
    this.#adapters = options.adapters;
    this.#wires = options.wires;
    this.#progress = options.progress;
    this.#random = options.random;
    this.#calmMessages = options.calmMessages;
  }

  /** One fault in the midst of work; resolves when, after it, a random amount of work was done again. */
  async strike(): Promise<void> {
    const fault = this.#choose();
    this.strikes.set(fault, (this.strikes.get(fault) ?? 0) + 1);
    const pid = await this.#broker.pid();
    await this.#do(fault, pid);
    await this.#broker.pid();
    await this.#progress.more(this.#random.between(1, 2 * this.#calmMessages));
  }

  async #do(fault: Fault, brokerPid: number): Promise<void> {
    const adapter = this.#random.pick(this.#adapters);
    switch (fault) {
      case "kill -9 of the broker":
        return this.#killBroker(brokerPid);
      case "kill -9 of an adapter":
        return adapter.kill();
      case "kill -9 of the broker and an adapter at once":
        this.#killBroker(brokerPid);
        return adapter.kill();
      case "SIGSTOP of the broker":
        return this.#stopBroker(brokerPid, adapter);
      case "SIGSTOP of an adapter":
        adapter.stop();
        // Half the time it sleeps through the end of its broker.
        if (this.#random.next() < 0.5) this.#killBroker(brokerPid);
        await this.#rest();
        return adapter.resume();
      case "streams cut":
        this.#random.pick(this.#wires).cut(this.#random);
        return;
      case "kill -9 of an adapter between Register and Subscribe":
        return this.#between((victim) => victim.kill());
      case "kill -9 of the broker between Register and Subscribe":
        return this.#between(async () => this.#killBroker(brokerPid));
      case "kill -9 of the broker and an adapter between Register and Subscribe":
        return this.#between(async (victim) => {
          this.#killBroker(brokerPid);
          await victim.kill();
        });
    }
  }

  async #between(strike: (victim: Victim) => Promise<void>): Promise<void> {
    const visible = this.#adapters.filter((adapter) => adapter.between !== undefined);
    const victim = this.#random.pick(visible);
    await victim.between?.(() => strike(victim));
  }

  /** What happens to an adapter meanwhile the broker learns late, or, where it is killed too, never. */
  async #stopBroker(pid: number, adapter: Victim): Promise<void> {
    process.kill(pid, "SIGSTOP");
    await this.#rest();
    if (this.#random.next() < 0.5) await adapter.kill();
    await this.#rest();
    if (this.#random.next() < 0.3) this.#killBroker(pid);
    else process.kill(pid, "SIGCONT");
  }

  #killBroker(pid: number): void {
    process.kill(pid, "SIGKILL");
    this.brokerKills++;
  }

  async #rest(): Promise<void> {
    await sleep(this.#random.between(minStopMs, maxStopMs));
  }

  /** By weight; now and then one that did not strike yet, so that a short run knows them all. */
  #choose(): Fault {
    const all = Object.entries(weights) as [Fault, number][];
    const fresh = all.filter(([fault]) => !this.strikes.has(fault));
    const faults = fresh.length > 0 && this.#random.next() < 0.5 ? fresh : all;
    const total = faults.reduce((sum, [, weight]) => sum + weight, 0);
    let left = this.#random.next() * total;
    return faults.find(([, weight]) => (left -= weight) < 0)?.[0] ?? "streams cut";
  }
}
