import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import { eventually } from "../support/test-broker.js";
import { Agent, type AgentOptions } from "./agent.js";

/** A temporary home, and the agents and the broker that live in it. */
export class TestHome implements AsyncDisposable {
  readonly path: string;
  readonly #agents: Agent[] = [];

  constructor(path: string) {
    this.path = path;
  }

  static async open(): Promise<TestHome> {
    return new TestHome(await mkdtemp(join(tmpdir(), "pl-")));
  }

  /** Starts an agent that asks for this name. */
  async start(name: string, options: Partial<AgentOptions> = {}): Promise<Agent> {
    const env = { ...(name === "" ? {} : { PEERLINE_NAME: name }), ...options.env };
    const agent = new Agent({ home: this.path, ...options, env });
    this.#agents.push(agent);
    return agent.start();
  }

  /** Starts agents of these names that know of each other. */
  async startAll<Names extends string[]>(
    ...names: Names
  ): Promise<{ [Name in keyof Names]: Agent }> {
    const agents = await Promise.all(names.map((name) => this.start(name)));
    await Promise.all(agents.map((agent) => agent.facts("list_peers")));
    return agents as { [Name in keyof Names]: Agent };
  }

  async brokerPid(): Promise<number> {
    const channel = openChannel(`unix:${join(this.path, "broker.sock")}`);
    try {
      const client = createClient(BrokerService, channel);
      return (await client.getServerInfo({}, { timeoutMs: 5000 })).pid;
    } finally {
      channel.close();
    }
  }

  /** Waits for a broker, which may be starting just now, and kills it. */
  async killBroker(signal: NodeJS.Signals): Promise<void> {
    const pid = await eventually(() => this.brokerPid());
    process.kill(pid, signal);
    await eventually(() => expect(isRunning(pid)).toBe(false));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent[Symbol.asyncDispose]()));
    if (existsSync(join(this.path, "broker.sock"))) await this.killBroker("SIGTERM");
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Whether a process still runs. One that has ended is a zombie while its parent is stopped. */
function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
