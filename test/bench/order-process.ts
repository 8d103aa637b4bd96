import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { programFile } from "./build.js";
import { orderLimitMs } from "./limits.js";
import type { Answer, CommandOf, Order } from "./orders.js";

/** A process that is told what to do: its parent takes no part in what is timed. */
export class OrderProcess<Orders extends object> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #orders = 0;

  constructor(program: string, node: string) {
    this.#child = fork(programFile(program), { execPath: node });
    this.#child.on("message", (answer: Answer) => this.#settle(answer));
    this.#child.on("exit", (code, signal) => {
      const error = `the process ${program} ended with ${code ?? signal}`;
      for (const id of this.#waiting.keys()) this.#settle({ id, error });
    });
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error("the process did not start");
    return pid;
  }

  do<Command extends CommandOf<Orders>>(
    command: Command,
    args: ArgsOf<Orders, Command>,
  ): Promise<ValueOf<Orders, Command>> {
    const id = this.#orders++;
    return new Promise((resolve, reject) => {
      const error = `no end within ${orderLimitMs / 1000} s`;
      const limit = setTimeout(() => this.#settle({ id, error }), orderLimitMs);
      this.#waiting.set(id, ({ value, error }) => {
        clearTimeout(limit);
        if (error === undefined) resolve(value as ValueOf<Orders, Command>);
        else reject(new Error(`${command}: ${error}`));
      });
      const order: Order = { id, command, args };
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

  #settle(answer: Answer): void {
    const settle = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    settle?.(answer);
  }
}

type ArgsOf<Orders, Command extends keyof Orders> = Orders[Command] extends (
  args: infer Args,
) => unknown
  ? Args
  : never;

type ValueOf<Orders, Command extends keyof Orders> = Orders[Command] extends (
  args: never,
) => infer Value
  ? Awaited<Value>
  : never;
