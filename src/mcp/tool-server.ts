import { systemClock } from "../clock.js";
import { VERSION } from "../endpoint/version.js";
import { ErrorCode, type Message, type Params, type Request, type RequestId } from "./json-rpc.js";
import { loadDelayMs } from "./limits.js";
import type { ToolResult } from "./result.js";
import type { StdioTransport } from "./stdio-transport.js";
import { definitions, describeTool, type ToolDefinition } from "./tools/definitions.js";

/** What a client says of itself. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** A call of a tool. */
export interface IncomingCall {
  readonly id: RequestId;
  readonly tool: ToolDefinition;
  readonly parameters: Params;
  /** What the host says about the call. */
  readonly meta: Params;
  /** The host gave the call up. */
  readonly signal: AbortSignal;
}

/** What runs the tools. It hears of each line of the host before that is acted on: what counts is when it came. */
export interface ToolRunner {
  /** The call has come, and is run next. */
  began(call: IncomingCall): void;
  run(call: IncomingCall): Promise<ToolResult>;
  /** The result of the call has been written, whole. */
  written(id: RequestId): void;
  /** The host gave the call up, or an error was written in the place of its result. */
  withdrawn(id: RequestId): void;
  /** The host has gone. */
  close(): Promise<void>;
}

export interface ToolServerOptions {
  readonly instructions: string;
  /** What the server declares beside its tools. */
  readonly experimental: Params | undefined;
  /** Loads what runs the tools. */
  readonly load: (server: ToolServer) => Promise<ToolRunner>;
}

/**
 * The part of MCP that a server of tools needs: it says who it is, lists its tools, and answers calls and
 * pings. It does so without what runs the tools, so that a host is answered before that is loaded. Loading
 * begins when the host has the list, a moment after it was greeted, or with the first call.
 */
export class ToolServer {
  readonly #transport: StdioTransport;
  readonly #options: ToolServerOptions;
  /** Calls that run. */
  readonly #running = new Map<RequestId, AbortController>();
  /** Pings that the host has not answered. */
  readonly #pings = new Map<RequestId, () => void>();
  #lastPing = 0;
  #client: ClientInfo | undefined;
  /** Fires when the host is not going to ask for the list. */
  #settling: Disposable | undefined;
  #loading: Promise<ToolRunner> | undefined;
  #runner: ToolRunner | undefined;

  constructor(transport: StdioTransport, options: ToolServerOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** Who the host says it is; undefined before it does. */
  get client(): ClientInfo | undefined {
    return this.#client;
  }

  /** Serves until the transport is closed, and what runs the tools is. */
  async run(): Promise<void> {
    this.#transport.start((message) => this.#take(message));
    await this.#transport.closed;
    this.#settling?.[Symbol.dispose]();
    for (const running of this.#running.values()) running.abort();
    const runner = await this.#loading?.catch(ignore);
    await runner?.close();
  }

  /** Rejects when the host has not answered within this time. */
  async ping(timeoutMs: number): Promise<void> {
    const id = ++this.#lastPing;
    await new Promise<void>((resolve, reject) => {
      const timer = systemClock.after(timeoutMs, () => {
        this.#pings.delete(id);
        reject(new Error(`The host did not answer a ping within ${timeoutMs} ms.`));
      });
      this.#pings.set(id, () => {
        timer[Symbol.dispose]();
        resolve();
      });
      void this.#transport.send({ jsonrpc: "2.0", id, method: "ping" });
    });
  }

  /** Resolves to whether it was written. */
  async notify(method: string, params: Params): Promise<boolean> {
    return this.#transport.send({ jsonrpc: "2.0", method, params });
  }

  #take(message: Message): void {
    if (!("method" in message)) {
      // To a ping, an error is an answer too.
      if (message.id !== undefined) this.#answered(message.id);
    } else if ("id" in message) {
      void this.#answer(message);
    } else if (message.method === "notifications/initialized") {
      this.#settling = systemClock.after(loadDelayMs, () => this.#loadAhead());
    } else if (message.method === "notifications/cancelled") {
      this.#cancel(message.params?.["requestId"]);
    }
  }

  #answered(id: RequestId): void {
    this.#pings.get(id)?.();
    this.#pings.delete(id);
  }

  #cancel(id: unknown): void {
    if (typeof id !== "string" && typeof id !== "number") return;
    this.#runner?.withdrawn(id);
    this.#running.get(id)?.abort();
  }

  async #answer(request: Request): Promise<void> {
    const { id, method, params = {} } = request;
    switch (method) {
      case "initialize":
        return void (await this.#succeed(id, this.#greet(params)));
      case "ping":
        return void (await this.#succeed(id, {}));
      case "tools/list":
        await this.#succeed(id, { tools: definitions.map(describeTool) });
        return this.#loadAhead();
      case "tools/call":
        return this.#call(id, params);
      default:
        return this.#fail(id, ErrorCode.methodNotFound, "Method not found");
    }
  }

  #greet({ protocolVersion, clientInfo }: Params): object {
    // Its shape was looked at when the line was read.
    this.#client = clientInfo as ClientInfo;
    const { experimental, instructions } = this.#options;
    return {
      protocolVersion:
        protocolVersions.find((one) => one === protocolVersion) ?? protocolVersions[0],
      capabilities: { tools: {}, ...(experimental === undefined ? {} : { experimental }) },
      serverInfo: { name: "peerline", title: "Peerline", version: VERSION },
      instructions,
    };
  }

  async #call(id: RequestId, params: Params): Promise<void> {
    const tool = definitions.find(({ name }) => name === params["name"]);
    if (tool === undefined) {
      const names = definitions.map(({ name }) => name).join(", ");
      const sentence = `There is no tool ${JSON.stringify(params["name"])}: the tools are ${names}.`;
      return this.#fail(id, ErrorCode.invalidParams, sentence);
    }
    const running = new AbortController();
    this.#running.set(id, running);
    const { signal } = running;
    const { arguments: parameters = {}, _meta: meta = {} } = params as Record<string, Params>;
    try {
      const runner = this.#runner ?? (await this.#load());
      if (signal.aborted) return;
      const call = { id, tool, parameters, meta, signal };
      runner.began(call);
      const result = await runner.run(call);
      if (!signal.aborted && (await this.#succeed(id, result))) runner.written(id);
    } catch (error) {
      if (signal.aborted) return;
      this.#runner?.withdrawn(id);
      const sentence = error instanceof Error ? error.message : String(error);
      await this.#fail(id, ErrorCode.internal, sentence);
    } finally {
      // A host may use an id again.
      if (this.#running.get(id) === running) this.#running.delete(id);
    }
  }

  /** What cannot be loaded now is loaded for a call, which says why where it cannot. */
  #loadAhead(): void {
    void this.#load().catch(ignore);
  }

  async #load(): Promise<ToolRunner> {
    this.#loading ??= this.#options.load(this).catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return (this.#runner ??= await this.#loading);
  }

  async #succeed(id: RequestId, result: object): Promise<boolean> {
    return this.#transport.send({ jsonrpc: "2.0", id, result });
  }

  async #fail(id: RequestId, code: number, message: string): Promise<void> {
    await this.#transport.send({ jsonrpc: "2.0", id, error: { code, message } });
  }
}

/** Of the protocol, the newest first. */
const protocolVersions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];

function ignore(): void {}
