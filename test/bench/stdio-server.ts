import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { callLimitMs, endLimitMs } from "./limits.js";
import { nowMs } from "./timing.js";

/** How a server is started, and where. */
export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
}

/** An MCP server on its standard input and output, driven as a host drives it; every server with the same code. */
export class StdioServer implements AsyncDisposable {
  /** From before its process was started until `initialize` was answered. */
  readonly startMs: number;
  readonly #child: ChildProcess;
  readonly #waiting: Map<number, (answer: Answer) => void>;
  #id = 0;

  private constructor(child: ChildProcess, waiting: Map<number, (answer: Answer) => void>) {
    this.#child = child;
    this.#waiting = waiting;
    this.startMs = 0;
  }

  /** Resolves when the host's greeting is done. */
  static async start(command: ServerCommand): Promise<StdioServer> {
    const beginMs = nowMs();
    const child = spawn(command.file, command.args, {
      env: command.environment,
      cwd: command.folder,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const server = new StdioServer(child, new Map());
    server.#listen();
    await server.request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "bench", version: "1" },
    });
    Object.assign(server, { startMs: nowMs() - beginMs });
    server.#write({ method: "notifications/initialized" });
    await server.request("tools/list", {});
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Throws where the tool refused. */
  async call(tool: string, parameters: object): Promise<unknown> {
    const result = await this.request("tools/call", { name: tool, arguments: parameters });
    if (result["isError"] === true) throw new Error(`${tool} refused: ${JSON.stringify(result)}`);
    return result;
  }

  async request(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#write({ id, method, params });
    const late = `no answer within ${callLimitMs / 1000} s`;
    const limit = setTimeout(() => this.#settle(id, { id, error: late }), callLimitMs);
    const { result, error } = await answer;
    clearTimeout(limit);
    if (result === undefined) throw new Error(`${method} failed: ${JSON.stringify(error)}`);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), endLimitMs);
    await ended;
    clearTimeout(kill);
  }

  #listen(): void {
    if (this.#child.stdout === null) throw new Error("no stdout");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      // What has no id of ours is a notification.
      if (typeof answer.id === "number") this.#settle(answer.id, answer);
    });
    this.#child.stdin?.on("error", () => undefined);
    const fail = (why: string): void => {
      for (const id of this.#waiting.keys()) this.#settle(id, { id, error: why });
    };
    this.#child.once("error", (error) => fail(String(error)));
    this.#child.once("close", (code) => fail(`the server ended with ${code}`));
  }

  #settle(id: number, answer: Answer): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(answer);
  }

  #write(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }
}

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: unknown;
}
