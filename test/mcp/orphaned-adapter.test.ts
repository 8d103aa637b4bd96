import { execFileSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import { program } from "../support/program.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { isRunning, TestHome } from "./test-home.js";

/** What it takes until nobody is there: 15 s, and what a loaded machine adds. */
const timeout = 90_000;

describe.concurrent(
  "an adapter whose parent was killed while its streams stay open",
  { timeout },
  () => {
    test("ends when its host answers nothing: its name is free again", async ({ expect }) => {
      await using host = await HostWithoutProcess.start();
      await eventually(() => expect(host.raw.log).toContain("the host is gone"), 60_000);
      // It says so before it parts from the broker.
      await eventually(() => expect(host.isAdapterRunning).toBe(false));
      const next = await host.home.start("orphan");
      expect(await next.facts("list_peers")).toMatchObject({ you: { name: "orphan" } });
    });

    test("goes on for a host that answers pings: the parent was a wrapper", async ({ expect }) => {
      await using host = await HostWithoutProcess.start();
      const pings = () => host.raw.messages.filter(({ method }) => method === "ping");
      for (let answered = 0; answered < 2; answered++) {
        await eventually(() => expect(pings()).toHaveLength(answered + 1), 30_000);
        host.write({ jsonrpc: "2.0", id: pings()[answered].id, result: {} });
      }
      host.write(toolCall(3, "list_peers"));
      expect((await host.raw.answer(3)).result.structuredContent.peers).toEqual([]);
    });
  },
);

/** Starts the adapter, says its process id and stays its parent, as a shell in a host's settings does. */
const wrapped = [
  "sh",
  "-c",
  '"$@" <>"$STDIN" & echo "adapter $!" >&2; wait',
  "sh",
  process.execPath,
  program,
  "mcp",
];

/** Both ends of an adapter's streams, after the process that started it was killed. */
class HostWithoutProcess implements AsyncDisposable {
  static async start(): Promise<HostWithoutProcess> {
    const home = await TestHome.open();
    const pipe = join(home.path, "stdin");
    execFileSync("mkfifo", [pipe]);
    const raw = new RawAgent(home.path, { PEERLINE_NAME: "orphan", STDIN: pipe }, wrapped);
    const host = new HostWithoutProcess(home, raw, pipe);
    host.write(initialize, initialized, toolCall(2, "list_peers"));
    await raw.answer(2);
    raw.child.kill("SIGKILL");
    return host;
  }

  readonly #stdin;

  private constructor(
    readonly home: TestHome,
    readonly raw: RawAgent,
    pipe: string,
  ) {
    this.#stdin = createWriteStream(pipe, { flags: "r+" });
  }

  write(...messages: object[]): void {
    for (const message of messages) this.#stdin.write(`${JSON.stringify(message)}\n`);
  }

  get isAdapterRunning(): boolean {
    const pid = /^adapter (\d+)$/m.exec(this.raw.log)?.[1];
    if (pid === undefined) throw new Error("the adapter's process is not known yet");
    return isRunning(Number(pid));
  }

  /** The home ends the adapter. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stdin.destroy();
    await this.home[Symbol.asyncDispose]();
  }
}
