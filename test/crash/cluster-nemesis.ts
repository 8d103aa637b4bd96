import { sleep } from "../../src/clock.js";
import type { NatsCluster } from "../support/nats-cluster.js";
import type { NatsServer } from "../support/nats-server.js";
import type { GatewayProcess } from "./gateway-process.js";
import { maxEngineRestMs, minEngineRestMs } from "./limits.js";
import type { Outages } from "./outages.js";
import type { Progress } from "./progress.js";
import type { Random } from "./random.js";
import type { Victim } from "./victim.js";

/** Each fault, and how often it is chosen among all. */
const weights = {
  "kill -9 of the mail stream's leader": 3,
  "kill -9 of another server": 2,
  "kill -9 of all three servers": 2,
  "SIGSTOP of the mail stream's leader": 3,
  "SIGSTOP of another server": 2,
  "kill -9 of a gateway": 3,
  "kill -9 of both gateways": 2,
  "SIGSTOP of a gateway": 3,
  "link of a gateway to the servers cut": 3,
  "kill -9 of a gateway and of the mail stream's leader": 2,
  "kill -9 of clients": 2,
  "kill -9 of clients and of a gateway": 2,
} as const;

export type ClusterFault = keyof typeof weights;

export const clusterFaults = Object.keys(weights) as ClusterFault[];

const mailStream = "peerline-mail";

interface Parts {
  readonly cluster: NatsCluster;
  readonly gateways: readonly GatewayProcess[];
  readonly clients: readonly Victim[];
  readonly outages: Outages;
  readonly progress: Progress;
  readonly random: Random;
}

/** Does harm to servers, gateways and clients, at random, and counts it. */
export class ClusterNemesis {
  readonly strikes = new Map<ClusterFault, number>();
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * One fault in the midst of work; resolves when all is whole again, and some work was done after it.
   *
   * @param calmMessages accepted until the next fault, on average.
   */
  async strike(calmMessages: number): Promise<ClusterFault> {
    const { outages, progress, random, cluster } = this.#parts;
    const fault = this.#choose();
    this.strikes.set(fault, (this.strikes.get(fault) ?? 0) + 1);
    await progress.unlessBroken(outages.measure(fault, () => this.#do(fault)));
    await progress.unlessBroken(cluster.waitReady());
    await progress.more(random.between(1, 2 * calmMessages));
    return fault;
  }

  async #do(fault: ClusterFault): Promise<void> {
    const { cluster, gateways, clients, random } = this.#parts;
    const gateway = random.pick(gateways);
    switch (fault) {
      case "kill -9 of the mail stream's leader":
        return this.#killServer(await cluster.leaderOf(mailStream));
      case "kill -9 of another server":
        return this.#killServer(await this.#otherServer());
      case "kill -9 of all three servers":
        await cluster.killAll();
        await this.#rest();
        return cluster.restartAll();
      case "SIGSTOP of the mail stream's leader":
        return this.#stopServer(await cluster.leaderOf(mailStream));
      case "SIGSTOP of another server":
        return this.#stopServer(await this.#otherServer());
      case "kill -9 of a gateway":
        return this.#killGateways([gateway]);
      case "kill -9 of both gateways":
        return this.#killGateways(gateways);
      case "SIGSTOP of a gateway":
        gateway.stop();
        await this.#rest();
        return gateway.resume();
      case "link of a gateway to the servers cut":
        gateway.cut();
        await this.#rest();
        return gateway.heal();
      case "kill -9 of a gateway and of the mail stream's leader": {
        const leader = await cluster.leaderOf(mailStream);
        await Promise.all([this.#killServer(leader), this.#killGateways([gateway])]);
        return;
      }
      case "kill -9 of clients":
        return random.pick(clients).kill();
      case "kill -9 of clients and of a gateway":
        await Promise.all([random.pick(clients).kill(), this.#killGateways([gateway])]);
    }
  }

  async #otherServer(): Promise<NatsServer> {
    const { cluster, random } = this.#parts;
    const leader = await cluster.leaderOf(mailStream);
    return random.pick(cluster.members.filter((member) => member !== leader));
  }

  async #killServer(server: NatsServer): Promise<void> {
    await server.kill();
    await this.#rest();
    await server.restart();
  }

  async #stopServer(server: NatsServer): Promise<void> {
    await server.pause();
    await this.#rest();
    server.resume();
  }

  async #killGateways(gateways: readonly GatewayProcess[]): Promise<void> {
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await this.#rest();
    await Promise.all(gateways.map((gateway) => gateway.restart()));
  }

  async #rest(): Promise<void> {
    await sleep(this.#parts.random.between(minEngineRestMs, maxEngineRestMs));
  }

  /** Each once, in random order; then by weight. */
  #choose(): ClusterFault {
    const { random } = this.#parts;
    const fresh = clusterFaults.filter((fault) => !this.strikes.has(fault));
    if (fresh.length > 0) return random.pick(fresh);
    return random.pick(clusterFaults.flatMap((fault) => Array(weights[fault]).fill(fault)));
  }
}
