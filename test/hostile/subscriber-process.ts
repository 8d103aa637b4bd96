import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { buildProgram } from "../support/build-program.js";
import type { BrokerHome } from "../support/program.js";
import { eventually, newSecret } from "../support/test-broker.js";

/** A subscriber in a process of its own, which can be stopped and continued. */
export class SubscriberProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** What it printed: "online", and "first WORD" or "again WORD" for each delivery. */
  readonly lines: string[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error("no stdout");
    createInterface({ input: child.stdout }).on("line", (line) => this.lines.push(line));
  }

  /** Resolves when it is online as `name`. */
  static async start(
    home: BrokerHome,
    options: { name: string; credit: number; manner: "confirms" | "silent" },
  ): Promise<SubscriberProcess> {
    const program = await buildProgram(new URL("subscriber.ts", import.meta.url), home.path);
    const { name, credit, manner } = options;
    const child = spawn(
      process.execPath,
      [program, `unix:${home.socket}`, newSecret(), name, String(credit), manner],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    const subscriber = new SubscriberProcess(child);
    await eventually(() => {
      if (!subscriber.lines.includes("online")) throw new Error(`${name} is not online`);
    });
    return subscriber;
  }

  /** The first words of what was delivered, each once. */
  get delivered(): Set<string> {
    const words = this.lines.flatMap((line) => /^(?:first|again) (.*)$/.exec(line)?.[1] ?? []);
    return new Set(words);
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
