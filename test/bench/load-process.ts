import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { programFile } from "./build.js";
import { orderLimitMs } from "./limits.js";
import type { LoadClient } from "./load-client.js";

export type LoadCommand = Exclude<keyof LoadClient, symbol>;

export interface LoadOrder {
  readonly id: number;
  readonly command: LoadCommand;
  readonly args: unknown;
}

export interface LoadAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A process of clients, told what to do: its parent takes no part in what is timed. */
export class LoadProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: LoadAnswer) => void>();
  #orders = 0;

  constructor(node: string) {
    this.#child = fork(programFile("load"), { execPath: node });
    this.#child.on("message", (answer: LoadAnswer) => this.#settle(answer));
    this.#child.on("exit", (code) => {
      const error = `a process of clients ended with ${code}`;
      for (const id of this.#waiting.keys()) this.#settle({ id, error });
    });
  }

  do<Command extends LoadCommand>(
    command: Command,
    args: Parameters<LoadClient[Command]>[0],
  ): Promise<Awaited<ReturnType<LoadClient[Command]>>> {
    const id = this.#orders++;
    return new Promise((resolve, reject) => {
      const error = `no end within ${orderLimitMs / 1000} s`;
      const limit = setTimeout(() => this.#settle({ id, error }), orderLimitMs);
      this.#waiting.set(id, ({ value, error }) => {
        clearTimeout(limit);
        if (error === undefined) resolve(value as Awaited<ReturnType<LoadClient[Command]>>);
        else reject(new Error(`${command}: ${error}`));
      });
      const order: LoadOrder = { id, command, args };
      this.#child.send(order, (error) => {
        if (error !== null) this.#settle({ id, error: String(error) });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  #settle(answer: LoadAnswer): void {
    const settle = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    settle?.(answer);
  }
}
