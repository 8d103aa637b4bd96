import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brokerNodeFlags } from "../../src/endpoint/limits.js";

/** The program as users run it. */
export const program = join(import.meta.dirname, "../../dist/peerline.js");

/** A temporary home with a real broker process, run from the built program. */
export interface BrokerHome extends AsyncDisposable {
  readonly path: string;
  readonly socket: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * @param options.openFiles how many files the broker may have open (`ulimit -n`).
 * @param options.env what else its environment has.
 */
export async function startBrokerHome(
  options: { openFiles?: number; env?: Record<string, string> } = {},
): Promise<BrokerHome> {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build"`);
  const path = await mkdtemp(join(tmpdir(), "pl-"));
  const environment = { PATH: process.env["PATH"], HOME: path, PEERLINE_HOME: path };
  const limit = options.openFiles === undefined ? "" : `ulimit -n ${options.openFiles}; `;
  const script = `${limit}exec "$0" "$@"`;
  // On the Node that an agent would start it on.
  const command = [process.execPath, ...brokerNodeFlags, program, "broker"];
  const broker = spawn("sh", ["-c", script, ...command], {
    env: { ...environment, ...options.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await lineOf(broker, (line) => line.includes("broker.sock"));
  return {
    path,
    socket: join(path, "broker.sock"),
    environment,
    async [Symbol.asyncDispose]() {
      await end(broker);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** A program that runs beside the test, read line by line. */
export class Running implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    if (this.child.stdout === null) throw new Error("no stdout");
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the program ended");
    return value;
  }

  /** Every further line until it ends. */
  async *rest(): AsyncGenerator<string, void> {
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) {
      yield next.value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.child);
  }
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => void (output.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => void (output.stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, ...output };
}

async function lineOf(child: ChildProcess, wanted: (line: string) => boolean): Promise<void> {
  if (child.stderr === null) throw new Error("no stderr");
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    seen.push(line);
    if (wanted(line)) return;
  }
  throw new Error(`the broker did not start: ${seen.join("\n")}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
  await closed;
  clearTimeout(kill);
}
