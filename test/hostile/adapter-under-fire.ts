import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { initialize, initialized, toolCall } from "../mcp/raw-agent.js";
import { program } from "../support/program.js";

/** A real `peerline mcp` that is given lines by the thousand, and asked between them whether it is well. */
export class AdapterUnderFire implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<unknown, (message: any) => void>();
  /** What it printed that it should not have: no message on its output, a defect in its log. */
  readonly faults: string[] = [];
  /** Rejects when the process has ended, with what it said last. */
  readonly #ended: Promise<never>;
  #lastWords = "";
  #id = 1;

  private constructor(environment: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [program, "mcp"], { cwd: "/", env: environment });
    this.#child.stdin.on("error", () => undefined);
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line));
    createInterface({ input: this.#child.stderr }).on("line", (line) => {
      this.#lastWords = line;
      if (!line.startsWith("peerline: ") || line.includes("defect: ")) this.faults.push(line);
    });
    this.#ended = once(this.#child, "exit").then(([code, signal]) => {
      const how = `exit code ${code}, signal ${signal}`;
      throw new Error(`the adapter ended (${how}): ${this.#lastWords.slice(0, 500)}`);
    });
    this.#ended.catch(() => undefined);
  }

  static async start(environment: NodeJS.ProcessEnv): Promise<AdapterUnderFire> {
    const adapter = new AdapterUnderFire(environment);
    const answer = adapter.#answer(initialize.id);
    adapter.#write(JSON.stringify(initialize), JSON.stringify(initialized));
    await answer;
    await adapter.expectWell();
    return adapter;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Writes lines as fast as they are read. */
  async fire(lines: readonly string[]): Promise<void> {
    if (this.#write(...lines)) return;
    await Promise.race([this.#ended, this.#drained()]);
  }

  /** A good call is answered by a good result. */
  async expectWell(): Promise<void> {
    const id = ++this.#id;
    const answer = this.#answer(id);
    this.#write("", JSON.stringify(toolCall(id, "list_peers")));
    expect((await answer).result.structuredContent.you.name).toBeTypeOf("string");
    expect(this.#child.exitCode).toBeNull();
    expect(this.faults).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async #answer(id: number): Promise<any> {
    const answer = new Promise<any>((resolve) => this.#waiting.set(id, resolve));
    return await Promise.race([this.#ended, answer]);
  }

  #write(...lines: readonly string[]): boolean {
    return this.#child.stdin.write(`${lines.join("\n")}\n`);
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => this.#child.stdin.once("drain", resolve));
  }

  #hear(line: string): void {
    try {
      const message = JSON.parse(line);
      if (message.jsonrpc !== "2.0") this.faults.push(line);
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } catch {
      this.faults.push(line);
    }
  }
}
