import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AbortScope } from "../../abort-scope.js";
import { sleep } from "../../clock.js";
import { VERSION } from "../../endpoint/version.js";
import { valueAt } from "../../hosts/config-files/read-values.js";
import { endTimeoutMs, startTimeoutMs, maxStartBytes } from "../limits.js";

/** What became of a command that was started as an MCP server. */
export type StartOutcome =
  | Answer
  | { readonly kind: "ended"; readonly how: string }
  /** It ran, and did not answer in time. */
  | { readonly kind: "silent" };

/**
 * Starts a command as a host does, asks it to `initialize`, and ends it and all that it started.
 *
 * Nothing of the user's is touched: it has a home of its own, and is told of a broker that is not
 * there, so that it starts none.
 */
export async function startCommand(options: {
  command: string;
  args: readonly string[];
  /** Its environment, but for Peerline's own variables. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  signal: AbortSignal;
}): Promise<StartOutcome> {
  const { command, args, env, cwd, signal } = options;
  signal.throwIfAborted();
  const home = await mkdtemp(join(tmpdir(), "peerline-doctor-"));
  try {
    const child = spawn(command, args, {
      cwd,
      env: { ...env, PEERLINE_HOME: home, PEERLINE_BROKER: `unix:${join(home, "none.sock")}` },
      // A group of its own, so that what it starts ends with it.
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    try {
      return await converse(child, signal);
    } finally {
      endGroup(child);
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function converse(child: ChildProcess, signal: AbortSignal): Promise<StartOutcome> {
  const reader = new AnswerReader();
  child.stdout?.on("data", (chunk: Buffer) => reader.read(chunk));
  // It may end without reading its input.
  child.stdin?.on("error", () => {});
  using talk = new AbortScope([signal]);
  const ended = endOf(child);
  const silent = { kind: "silent" } as const;
  child.stdin?.write(`${JSON.stringify(initialize)}\n`);
  const late = sleep(startTimeoutMs, talk.signal).then(() => silent);
  const outcome = await Promise.race([reader.answer, ended, late]);
  if (outcome.kind !== "answered") return outcome;
  // What it writes at its end goes to the host as well.
  child.stdin?.end();
  await Promise.race([ended, sleep(endTimeoutMs, talk.signal)]);
  return reader.noiseBytes === 0 ? outcome : { kind: "noise", bytes: reader.noiseBytes };
}

/** Resolves at the end of the output, when all of it has been read, or when there was no start. */
function endOf(child: ChildProcess): Promise<{ kind: "ended"; how: string }> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ kind: "ended", how: error.message }));
    child.once("close", (code, signal) =>
      resolve({ kind: "ended", how: signal ?? `exit code ${code}` }),
    );
  });
}

function endGroup({ pid, stdin, stdout }: ChildProcess): void {
  stdin?.destroy();
  stdout?.destroy();
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "peerline-doctor", version: VERSION },
  },
};

export type Answer =
  | { readonly kind: "answered"; readonly name: string; readonly version: string }
  /** It wrote at least this many bytes that are no JSON-RPC. */
  | { readonly kind: "noise"; readonly bytes: number };

/** Reads the standard output of an MCP server that was asked to initialize with the id 1. */
export class AnswerReader {
  #resolve!: (answer: Answer) => void;
  readonly answer = new Promise<Answer>((resolve) => (this.#resolve = resolve));
  /** Bytes that were no JSON-RPC; what is not a whole line is not counted. */
  noiseBytes = 0;
  #pending = Buffer.alloc(0);
  #readBytes = 0;

  read(chunk: Buffer): void {
    this.#readBytes += chunk.length;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const end = this.#pending.indexOf("\n");
      if (end === -1) break;
      this.#take(this.#pending.subarray(0, end + 1));
      this.#pending = this.#pending.subarray(end + 1);
    }
    if (this.#readBytes > maxStartBytes) this.#drop();
  }

  #take(line: Buffer): void {
    const message = parse(line.toString());
    if (valueAt(message, "jsonrpc") !== "2.0") this.#reject(line.length);
    else if (valueAt(message, "id") === 1) this.#resolve(serverOf(message));
  }

  /** A line without end is not the protocol's. */
  #drop(): void {
    if (this.#pending.length > 0) this.#reject(this.#pending.length);
    this.#pending = Buffer.alloc(0);
  }

  #reject(bytes: number): void {
    this.noiseBytes += bytes;
    this.#resolve({ kind: "noise", bytes: this.noiseBytes });
  }
}

function serverOf(message: unknown): Answer {
  const server = valueAt(message, "result", "serverInfo");
  const [name, version] = [textOf(valueAt(server, "name")), textOf(valueAt(server, "version"))];
  return { kind: "answered", name, version };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
