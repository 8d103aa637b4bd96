import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { program } from "../support/program.js";

/** A person at a terminal: the built program on a home of its own, with whatever broker it starts. */
export class Terminal implements AsyncDisposable {
  readonly home: string;
  readonly #started: Started[] = [];

  private constructor(home: string) {
    this.home = home;
  }

  static async open(): Promise<Terminal> {
    if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build"`);
    return new Terminal(await mkdtemp(join(tmpdir(), "pl-")));
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  /** Runs a command to its end on this standard input. */
  async pipe(stdin: string, ...args: string[]): Promise<Ended> {
    return this.start(args, stdin).ended;
  }

  /** Starts a command that goes on. */
  start(args: readonly string[], stdin = "", env: NodeJS.ProcessEnv = this.environment): Started {
    const started = new Started(args, stdin, env);
    this.#started.push(started);
    return started;
  }

  /** Runs a command that has to succeed, and reads its output as JSON. */
  async json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await this.run(...args, "--json");
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** The broker's process; undefined where none runs. */
  async brokerPid(): Promise<number | undefined> {
    const { stdout } = await this.run("status", "--json");
    return (JSON.parse(stdout) as { info?: { pid: number } }).info?.pid;
  }

  get environment(): NodeJS.ProcessEnv {
    return { PATH: process.env["PATH"], HOME: this.home, PEERLINE_HOME: this.home };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((started) => started.kill()));
    const ranBroker = existsSync(join(this.home, "broker.sock"));
    const pid = ranBroker ? await this.brokerPid() : undefined;
    if (pid !== undefined) {
      const { code } = await this.run("stop");
      if (code !== 0) process.kill(pid, "SIGKILL");
    }
    await rm(this.home, { recursive: true, force: true });
  }
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export class Started {
  readonly ended: Promise<Ended>;
  readonly #child;
  readonly #output: Interface;
  readonly #lines: string[] = [];

  constructor(args: readonly string[], stdin: string, env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, [program, ...args], { env });
    this.#child = child;
    // A command that ends without reading its input closes it.
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
    this.#output = createInterface({ input: child.stdout });
    this.#output.on("line", (line) => this.#lines.push(line));
    const errors: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    this.ended = once(child, "close").then(([code]) => ({
      code: code as number | null,
      stdout: this.#lines.map((line) => `${line}\n`).join(""),
      stderr: Buffer.concat(errors).toString(),
    }));
  }

  /** Resolves when a line of the output, earlier or later, contains `text`. */
  async line(text: string): Promise<string> {
    const ended = this.ended.then(({ stdout, stderr }) => {
      throw new Error(`ended without "${text}": ${stdout}${stderr}`);
    });
    ended.catch(() => {});
    for (;;) {
      const found = this.#lines.find((line) => line.includes(text));
      if (found !== undefined) return found;
      await Promise.race([once(this.#output, "line"), ended]);
    }
  }

  /** Nobody reads the output any more. */
  closeOutput(): void {
    this.#child.stdout.destroy();
  }

  /** Ends it where it has not ended. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }
}
