import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig, type Config } from "../../endpoint/config.js";
import { connectBroker } from "../../endpoint/connect.js";
import { connectAsOperator, type Operator } from "../operator.js";
import { stopBroker } from "../stop.js";
import { Agent } from "./agent.js";

/** A home of its own, the agents in it and the broker they start. Disposal ends them all and removes it. */
export class Stage implements AsyncDisposable {
  readonly #program: string;
  readonly #signal: AbortSignal;
  readonly #directory: string;
  readonly #config: Config;
  readonly #agents = new Set<Agent>();
  #isEmpty = true;

  private constructor(program: string, signal: AbortSignal, directory: string) {
    this.#program = program;
    this.#signal = signal;
    this.#directory = directory;
    this.#config = readConfig({ PEERLINE_HOME: join(directory, "home") });
  }

  static async open(options: { program: string; signal: AbortSignal }): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), "peerline-demo-"));
    return new Stage(options.program, options.signal, directory);
  }

  get home(): string {
    return this.#config.home;
  }

  /** Starts an agent's MCP server, in a project of its own. The first one starts the broker. */
  async enter(name: string): Promise<Agent> {
    const cwd = join(this.#directory, name);
    await mkdir(cwd, { recursive: true });
    this.#isEmpty = false;
    const agent = await Agent.start({
      name,
      program: this.#program,
      home: this.home,
      cwd,
      signal: this.#signal,
    });
    this.#agents.add(agent);
    return agent;
  }

  async leave(agent: Agent): Promise<void> {
    this.#agents.delete(agent);
    await agent[Symbol.asyncDispose]();
  }

  /** A look at the broker that runs; it is not started. */
  async look<T>(ask: (operator: Operator) => Promise<T>): Promise<T> {
    await using operator = await connectAsOperator({
      config: this.#config,
      program: this.#program,
      signal: this.#signal,
    });
    return await ask(operator);
  }

  /** In the reverse order of start: agents, broker, files. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all([...this.#agents].map((agent) => this.leave(agent)));
      if (!this.#isEmpty) await this.#endBroker();
    } finally {
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  async #endBroker(): Promise<void> {
    const options = { config: this.#config, program: this.#program };
    // An agent that was cut short may have left a broker on its way up: to start one waits for that.
    await using connection = await connectBroker({ ...options, start: true });
    try {
      await stopBroker(options);
    } catch (error) {
      process.kill(connection.info.pid, "SIGKILL");
      throw error;
    }
  }
}
