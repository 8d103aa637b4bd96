import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { separated } from "../support/pid-namespace.js";
import type { Agent } from "./agent.js";
import type { TestHome } from "./test-home.js";

const script = join(import.meta.dirname, "../../src/hosts/doorbell/doorbell.sh");

/** A process that stands for a host: it starts the server with other streams than its own. */
const hostShell = ["sh", "-c", 'exec 3<&0 </dev/null; "$@" <&3 & wait', "host"];

/** A host with one agent, and the hooks that it runs: all but the host are real. */
export class Window {
  readonly agent: Agent;
  readonly #home: TestHome;
  readonly #program: "claude" | "gemini";
  readonly #isSeparated: boolean;

  static async open(home: TestHome, options: WindowOptions): Promise<Window> {
    const { program = "claude", started = "", through = [], cwd = home.path } = options;
    const { isSeparated = false } = options;
    const agent = await home.start("", {
      clientName: program === "claude" ? "claude-code" : "gemini-cli-mcp-client",
      cwd,
      by: [...(isSeparated ? separated() : []), ...hostShell, ...through],
      env: started === "" ? {} : { CLAUDE_CODE_SESSION_ID: started },
    });
    return new Window(home, agent, program, isSeparated);
  }

  private constructor(
    home: TestHome,
    agent: Agent,
    program: "claude" | "gemini",
    isSeparated: boolean,
  ) {
    this.#isSeparated = isSeparated;
    this.#home = home;
    this.agent = agent;
    this.#program = program;
  }

  /** Runs one hook as the host does, in this conversation; what it tells the model. */
  hook(event: string, conversation: string): string {
    const isClaude = this.#program === "claude";
    const [enter, host] = this.#isSeparated
      ? [["nsenter", "--pid", "--mount", "--target", childOf(this.agent.pid)], 1]
      : [[], this.agent.pid];
    const [command, ...args] = [...enter, "sh", script, this.#program, event, `${host}`];
    const { status, stdout, stderr } = spawnSync(command, args, {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.#home.path,
        PEERLINE_HOME: this.#home.path,
        ...(isClaude ? { CLAUDE_PID: `${host}`, CLAUDE_CODE_SESSION_ID: conversation } : {}),
      },
      input: JSON.stringify({
        session_id: isClaude ? conversation : "another-each-time",
        transcript_path: `/chats/session-2026-11-27T00-25-${conversation}.jsonl`,
        hook_event_name: event,
      }),
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout === "" ? "" : JSON.parse(stdout).hookSpecificOutput.additionalContext;
  }

  async name(): Promise<string> {
    return (await this.agent.facts("list_peers")).you.name;
  }

  /** The texts of what waits, read at once. */
  async read(): Promise<string[]> {
    const { messages } = await this.agent.facts("get_messages");
    return messages.map(({ text }: { text: string }) => text);
  }

  /** The texts of what waits, once there is any: what waits may come after the move to its agent. */
  async readNext(): Promise<string[]> {
    const { messages } = await this.agent.facts("get_messages", { wait_ms: 20_000 });
    return messages.map(({ text }: { text: string }) => text);
  }

  async close(): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
  }
}

export interface WindowOptions {
  readonly program?: "claude" | "gemini";
  /** The conversation that the environment names, which is the one at the start of the server. */
  readonly started?: string;
  /** What stands between the host and the server. */
  readonly through?: readonly string[];
  readonly cwd?: string;
  /** Whether its host and all that this starts run in a pid namespace of their own. */
  readonly isSeparated?: boolean;
}

/** The one process that this one started. */
function childOf(pid: number): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
}
