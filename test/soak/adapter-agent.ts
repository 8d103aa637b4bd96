import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { sleep } from "../../src/clock.js";
import { anyAgent, pauseMs, words } from "./chance.js";
import { meanPauseMs } from "./limits.js";
import type { Tally } from "./tally.js";

/** A real `peerline mcp`, driven as a host drives it: one call after the other. */
export class AdapterAgent implements Disposable {
  readonly #child: ChildProcess;
  readonly #tally: Tally;
  readonly #waiting = new Map<number, (answer: any) => void>();
  #id = 0;

  constructor(options: { program: string; home: string; name: string; tally: Tally }) {
    const { program, home, name } = options;
    this.#tally = options.tally;
    const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home, PEERLINE_NAME: name };
    this.#child = spawn(process.execPath, [program, "mcp"], {
      env,
      cwd: home,
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#child.stdin?.on("error", () => undefined);
    if (this.#child.stdout === null) throw new Error("no stdout");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const message: any = JSON.parse(line);
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "soak", version: "1" },
    });
    this.#write({ method: "notifications/initialized" });
    while (!signal.aborted) {
      await sleep(pauseMs(meanPauseMs), signal).catch(() => undefined);
      if (!signal.aborted) await this.#act();
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGTERM");
  }

  async #act(): Promise<void> {
    const luck = Math.random();
    if (luck < 0.4) {
      await this.#call("send_message", { to: anyAgent(), message: words(pauseMs(800)) });
    } else if (luck < 0.9) {
      const { messages } = await this.#call("get_messages", { wait_ms: 1000 });
      this.#tally.confirmed += messages?.length ?? 0;
    } else {
      await this.#call("list_peers", {});
    }
  }

  /** What the tool found out; nothing where it refused. */
  async #call(name: string, parameters: object): Promise<any> {
    const { result } = await this.#request("tools/call", { name, arguments: parameters });
    if (result?.isError !== true) {
      if (name === "send_message") this.#tally.accepted++;
      return result?.structuredContent ?? {};
    }
    this.#tally.refused++;
    return {};
  }

  #request(method: string, params: object): Promise<any> {
    const id = ++this.#id;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#write({ id, method, params });
    return answer;
  }

  #write(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }
}
