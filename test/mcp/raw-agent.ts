import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { AbortScope } from "../../src/abort-scope.js";
import { program } from "../support/program.js";

/** A `peerline mcp` process whose two streams a test writes and reads itself. */
export class RawAgent implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  #stdout = "";
  #stderr = "";

  constructor(
    home: string,
    env: Record<string, string> = {},
    [command = "", ...args]: readonly string[] = [process.execPath, program, "mcp"],
  ) {
    this.child = spawn(command, args, {
      cwd: "/",
      env: { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home, ...env },
    });
    // A character may come in two chunks.
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.child.stdin.on("error", () => undefined);
  }

  /** Writes all lines at once, so that they arrive together. */
  write(...lines: (object | string)[]): void {
    const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
    this.child.stdin.write(texts.map((text) => `${text}\n`).join(""));
  }

  /** The first message on standard output that answers this request. */
  async answer(id: number): Promise<any> {
    using wait = new AbortScope([], 20_000);
    for (;;) {
      const message = this.messages.find((message) => message.id === id);
      if (message !== undefined) return message;
      await once(this.child.stdout, "data", { signal: wait.signal });
    }
  }

  /** All that came on standard output; each line must be a message. */
  get messages(): any[] {
    const lines = this.#stdout.split("\n");
    lines.pop();
    return lines.map((line) => JSON.parse(line));
  }

  /** What has come on standard error. It may come after an answer that was written later. */
  get log(): string {
    return this.#stderr;
  }

  /** How the process ended, and how long that took from now. Fails where it took 10 s. */
  async end(): Promise<{ code: number | null; signal: NodeJS.Signals | null; ms: number }> {
    const startMs = Date.now();
    using wait = new AbortScope([], 10_000);
    const [code, signal] = await once(this.child, "exit", { signal: wait.signal });
    return { code, signal, ms: Date.now() - startMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }
}

export const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "raw", version: "1" },
  },
};

export const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };

export function toolCall(id: number, name: string, parameters: object = {}) {
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: parameters } };
}
