import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { sleep } from "../../src/clock.js";

/** A program that is started again whenever it ends, as a supervisor of services does. */
export class SupervisedBot implements AsyncDisposable {
  /** What all its processes wrote, line by line. */
  readonly lines: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #child: ChildProcess | undefined;

  constructor(file: string, env: NodeJS.ProcessEnv) {
    this.#running = this.#run(file, env);
  }

  /** Ends the process that runs now, without a word. */
  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.kill();
    await this.#running;
  }

  async #run(file: string, env: NodeJS.ProcessEnv): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const child = spawn(process.execPath, [file], { env, stdio: ["ignore", "pipe", "inherit"] });
      this.#child = child;
      createInterface({ input: child.stdout }).on("line", (line) => this.lines.push(line));
      await once(child, "close");
      await sleep(100, this.#stop.signal).catch(() => {});
    }
  }
}
