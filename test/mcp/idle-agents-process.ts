import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { buildProgram } from "../support/build-program.js";

export interface IdleTask {
  readonly agents: number;
  /** With which they start a broker, where the endpoint is the home's own. */
  readonly program: string;
  /** Between two collections of all garbage. */
  readonly collectIntervalMs: number;
}

/** What became of a call, and how long that took. */
export interface FromIdleAgents {
  /** "answered", or the error's text. */
  readonly outcome: string;
  readonly ms: number;
}

/** Makes the program of `idle-agents.ts` in a folder; resolves to its path. */
export async function buildIdleAgents(folder: string): Promise<string> {
  return await buildProgram(new URL("idle-agents.ts", import.meta.url), folder);
}

/** Many agents that call nothing until they are told to, in a process that collects garbage all the time. */
export class IdleAgentsProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #agents: number;
  readonly #outcomes: FromIdleAgents[] = [];

  /** @param file as `buildIdleAgents` made it. */
  constructor(file: string, task: IdleTask, env: NodeJS.ProcessEnv) {
    this.#agents = task.agents;
    this.#child = fork(file, [JSON.stringify(task)], {
      env,
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (outcome: FromIdleAgents) => this.#outcomes.push(outcome));
  }

  /** Each agent calls the broker once; resolves to the outcomes that are known after this time at the latest. */
  async callAll(ms: number): Promise<readonly FromIdleAgents[]> {
    this.#outcomes.length = 0;
    this.#child.send({});
    const timer = setTimeout(() => this.#child.emit("late"), ms);
    const late = once(this.#child, "late").then(() => true);
    while (this.#outcomes.length < this.#agents) {
      if ((await Promise.race([late, once(this.#child, "message")])) === true) break;
    }
    clearTimeout(timer);
    return [...this.#outcomes];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
