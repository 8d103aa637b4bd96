import { setMaxListeners } from "node:events";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import type { ShownMessage } from "../../mcp/page.js";
import type { describeReceipt } from "../../mcp/tools/message-status.js";
import { VERSION } from "../../endpoint/version.js";
import { CliError } from "../failure.js";
import { callTimeoutMs } from "../limits.js";

/**
 * A stand-in for a coding agent: the client side of a real `peerline mcp` process, as a host drives it.
 * Only the model's decisions are scripted.
 */
export class Agent implements AsyncDisposable {
  readonly name: string;
  readonly #client: Client;
  readonly #signal: AbortSignal;

  private constructor(name: string, client: Client, signal: AbortSignal) {
    this.name = name;
    this.#client = client;
    this.#signal = signal;
    setMaxListeners(0, signal);
  }

  static async start(options: {
    name: string;
    program: string;
    home: string;
    /** The project that the agent works in. */
    cwd: string;
    signal: AbortSignal;
  }): Promise<Agent> {
    const { name, program, home, cwd, signal } = options;
    const client = new Client({ name: "peerline-demo", version: VERSION });
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [program, "mcp"],
      env: { PEERLINE_HOME: home, PEERLINE_NAME: name },
      cwd,
      stderr: "ignore",
    });
    try {
      await client.connect(transport, { signal, timeout: callTimeoutMs });
    } catch (cause) {
      await client.close();
      signal.throwIfAborted();
      throw new CliError("DEMO_FAILED", `The MCP server of ${name} did not start.`, { cause });
    }
    return new Agent(name, client, signal);
  }

  /** Calls a tool. Its answer is unproven: every field of it may be absent. */
  async call<Tool extends keyof Answers>(
    tool: Tool,
    parameters: Record<string, unknown> = {},
  ): Promise<Answers[Tool]> {
    const result = (await this.#client.callTool({ name: tool, arguments: parameters }, undefined, {
      // The client leaves a listener on it with each call, and cancels a call even after its answer. A
      // signal that aborts when the call is over would take back what the call has shown.
      signal: this.#signal,
      timeout: 2 * callTimeoutMs,
    })) as CallToolResult;
    if (result.isError) {
      throw new CliError("DEMO_FAILED", `${tool} of ${this.name} failed: ${textOf(result)}`);
    }
    return result.structuredContent ?? {};
  }

  /** The agent leaves, as when its host ends: its MCP server sees the end of its input. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

/** What the tools answer. */
export interface Answers {
  readonly list_peers: {
    readonly you?: { readonly name?: string };
    readonly peers?: readonly { readonly name?: string; readonly online?: boolean }[];
  };
  readonly send_message: {
    readonly message_id?: string;
    readonly recipients?: readonly {
      readonly name?: string;
      readonly state?: string;
      readonly reach?: string;
    }[];
  };
  readonly get_messages: { readonly messages?: readonly Mail[]; readonly unread?: number };
  readonly message_status: { readonly receipts?: readonly Standing[] };
}

export type Standing = Partial<ReturnType<typeof describeReceipt>>;
export type Mail = Partial<ShownMessage>;

function textOf(result: CallToolResult): string {
  return result.content.map((part) => (part.type === "text" ? part.text : "")).join(" ");
}
