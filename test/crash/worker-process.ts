import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { buildProgram } from "../support/build-program.js";
import type { Progress } from "./progress.js";
import type { Victim } from "./victim.js";

/** What a worker is to do. */
export interface Task {
  readonly seed: string;
  /** Of the history. */
  readonly folder: string;
  readonly lineage: string;
  readonly incarnation: number;
  readonly peers: readonly { name: string; secret: string; addresses: readonly string[] }[];
  /** The names of all peers of the run. */
  readonly everyone: readonly string[];
  /** Between two messages of one lane, on average. */
  readonly pauseMs: number;
  /** The first to register says so, and subscribes no sooner than it is told to go on. */
  readonly halts: boolean;
}

export type ToWorker = "drain" | "go on";
export type FromWorker =
  | { readonly accepted: number }
  | { readonly drained: true }
  | { readonly halted: true };

/** Makes the program of `worker.ts` in a folder; resolves to its path. */
export async function buildWorker(folder: string): Promise<string> {
  return await buildProgram(new URL("worker.ts", import.meta.url), folder);
}

/** The process of several light adapters, started again whenever it was killed. */
export class WorkerProcess implements Victim, AsyncDisposable {
  readonly #program: string;
  readonly #task: Omit<Task, "incarnation" | "halts">;
  readonly #progress: Progress;
  #incarnation = 0;
  #child: ChildProcess;
  #draining = false;
  #resolveDrained = (): void => {};
  #resolveHalted = (): void => {};

  constructor(program: string, task: Omit<Task, "incarnation" | "halts">, progress: Progress) {
    this.#program = program;
    this.#task = task;
    this.#progress = progress;
    this.#child = this.#start();
  }

  async kill(): Promise<void> {
    await end(this.#child);
    this.#child = this.#start();
  }

  readonly between = async (strike: () => Promise<void>): Promise<void> => {
    await end(this.#child);
    const halted = new Promise<void>((resolve) => (this.#resolveHalted = resolve));
    const successor = this.#start(true);
    this.#child = successor;
    await this.#progress.unlessBroken(halted);
    await strike();
    if (this.#child === successor) this.#tell("go on");
  };

  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** Sends nothing new; resolves when all it had to send is accepted. It goes on to receive. */
  async drain(): Promise<void> {
    this.#draining = true;
    const drained = new Promise<void>((resolve) => (this.#resolveDrained = resolve));
    this.#tell("drain");
    await drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child);
  }

  #start(halts = false): ChildProcess {
    const task: Task = { ...this.#task, incarnation: ++this.#incarnation, halts };
    const child = fork(this.#program, [JSON.stringify(task)], {
      env: { PATH: process.env["PATH"] },
      execArgv: ["--max-old-space-size=1024"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (message: FromWorker) => {
      if ("accepted" in message) this.#progress.add(message.accepted);
      else if ("halted" in message) this.#resolveHalted();
      else if (this.#draining) this.#resolveDrained();
    });
    child.once("exit", (code, signal) => {
      if (signal !== "SIGKILL") {
        this.#progress.fail(new Error(`${task.lineage} ended by itself: ${code ?? signal}`));
      }
    });
    return child;
  }

  #tell(message: ToWorker): void {
    this.#child.send(message);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}
