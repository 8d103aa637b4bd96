import { readdirSync, readFileSync } from "node:fs";
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

  /**
   * Ends the broker, also one that an agent was just starting, and an adapter that a wrapper left behind: either
   * would make the folder anew.
   */
  async #endAll(): Promise<void> {
    for (let left = processesOf(this.path); left.length > 0; left = processesOf(this.path)) {
      for (const pid of left) end(pid);
      await eventually(() => expect(left.filter(isRunning)).toEqual([]));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent[Symbol.asyncDispose]()));
    await this.#endAll();
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Asks a process to end, also one that is stopped. */
function end(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}

/** The processes whose environment names this home. */
function processesOf(home: string): number[] {
  const named = `PEERLINE_HOME=${home}`;
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && variablesOf(pid).includes(named) && isRunning(pid));
}

function variablesOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // It has ended, or is another user's.
    return [];
  }
}

/** Whether a process still runs. One that has ended is a zombie while its parent is stopped. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
