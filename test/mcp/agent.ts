import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { CallToolResult, JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { program } from "../support/program.js";

/** One `peerline mcp` process, driven as a host drives it. */
export class Agent implements AsyncDisposable {
  readonly client: Client;
  readonly #transport: OrderlyTransport;
  #log = "";

  constructor(options: AgentOptions) {
    this.client = new Client({ name: options.clientName ?? "test-host", version: "1.2.3" });
    const [command, ...args] = [
      ...(options.by ?? []),
      process.execPath,
      options.program ?? program,
      "mcp",
    ];
    this.#transport = new OrderlyTransport({
      command,
      args,
      cwd: options.cwd ?? options.home,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: options.home,
        PEERLINE_HOME: options.home,
        ...options.env,
      },
      stderr: "pipe",
    });
    this.#transport.stderr?.on("data", (chunk: Buffer) => (this.#log += chunk.toString()));
  }

  async start(): Promise<this> {
    await this.client.connect(this.#transport);
    return this;
  }

  /** Of the process that was started. */
  get pid(): number {
    return this.#transport.pid ?? 0;
  }

  /** What the server wrote to its standard error. */
  get log(): string {
    return this.#log;
  }

  async call(
    name: string,
    parameters: Record<string, unknown> = {},
    options: RequestOptions & { meta?: Record<string, unknown> } = {},
  ): Promise<CallToolResult> {
    const { meta, ...requestOptions } = options;
    const params = { name, arguments: parameters, ...(meta === undefined ? {} : { _meta: meta }) };
    return (await this.client.callTool(params, undefined, requestOptions)) as CallToolResult;
  }

  /** The facts of a call that must succeed. */
  async facts(
    name: string,
    parameters: Record<string, unknown> = {},
    options: RequestOptions & { meta?: Record<string, unknown> } = {},
  ): Promise<any> {
    const result = await this.call(name, parameters, options);
    if (result.isError === true) throw new Error(textOf(result));
    return result.structuredContent;
  }

  /** The sentence of a call that must fail. */
  async failure(name: string, parameters: Record<string, unknown> = {}): Promise<string> {
    const result = await this.call(name, parameters);
    if (result.isError !== true) throw new Error(`no failure: ${textOf(result)}`);
    return textOf(result);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

/** Writes no further message while the pipe is full: each of hundreds at once would listen for its drain. */
class OrderlyTransport extends StdioClientTransport {
  #sent = Promise.resolve();

  override async send(message: JSONRPCMessage): Promise<void> {
    const send = async () => super.send(message);
    this.#sent = this.#sent.then(send, send);
    return this.#sent;
  }
}

export interface AgentOptions {
  readonly home: string;
  readonly clientName?: string;
  /** Another build than the usual one. */
  readonly program?: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** What starts it, and is given its command. */
  readonly by?: readonly string[];
}

export function textOf(result: CallToolResult): string {
  return result.content.map((block) => (block.type === "text" ? block.text : "")).join("\n");
}
