import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig, type Config } from "../../endpoint/config.js";
import { connectBroker } from "../../endpoint/connect.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { openHome } from "../../endpoint/home.js";
import { connectAsOperator, type Operator } from "../operator.js";
import { stopBroker } from "../commands/stop.js";
import { Agent } from "./agent.js";

interface StageOptions {
  readonly program: string;
  readonly signal: AbortSignal;
}

/** A home of its own, the agents in it and the broker they start. Disposal ends them all and removes it. */
export class Stage implements AsyncDisposable {
  readonly #options: StageOptions & { directory: string; config: Config };
  readonly #agents = new Set<Agent>();
  #isEmpty = true;

  private constructor(options: StageOptions & { directory: string; config: Config }) {
    this.#options = options;
  }

  static async open(options: StageOptions): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), "peerline-demo-"));
    try {
      const config = readConfig({ PEERLINE_HOME: join(directory, "home") });
      // Says what is wrong with it before an agent has to.
      openHome(config.home);
      return new Stage({ ...options, directory, config });
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts an agent's MCP server, in a project of its own. The first one starts the broker. */
  async enter(name: string): Promise<Agent> {
    const { directory, config, ...options } = this.#options;
    const cwd = join(directory, name);
    await mkdir(cwd, { recursive: true });
    this.#isEmpty = false;
    const agent = await Agent.start({ ...options, name, home: config.home, cwd });
    this.#agents.add(agent);
    return agent;
  }

  async leave(agent: Agent): Promise<void> {
    this.#agents.delete(agent);
    await agent[Symbol.asyncDispose]();
  }

  /** A look at the broker that runs; it is not started. */
  async look<T>(ask: (operator: Operator) => Promise<T>): Promise<T> {
    await using operator = await connectAsOperator(this.#options);
    return await ask(operator);
  }

  /** In the reverse order of start: agents, broker, files. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all([...this.#agents].map((agent) => this.leave(agent)));
      if (!this.#isEmpty) await this.#endBroker();
    } finally {
      await rm(this.#options.directory, { recursive: true, force: true });
    }
  }

  async #endBroker(): Promise<void> {
    const { config, program } = this.#options;
    try {
      // An agent that was ended early may have left a broker that is still starting. Starting one
      // waits for it.
      await using connection = await connectBroker({ config, program, start: true });
      await stopBroker({ config, program }).catch((error: unknown) => {
        process.kill(connection.info.pid, "SIGKILL");
        throw error;
      });
    } catch (error) {
      // Where none can be started, none is on its way.
      if (!(error instanceof EndpointError)) throw error;
    }
  }
}
