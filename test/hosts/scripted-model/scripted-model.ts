import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { anthropic } from "./anthropic.js";
import { gemini } from "./gemini.js";
import { openai } from "./openai.js";
import { ModelRecord } from "./record.js";
import { Script, type ScriptLine, type Step } from "./script.js";
import type { StreamEvent, WireFormat } from "./wire-format.js";

const formats = [anthropic, openai, gemini];

/** The model of one agent: what it will do, and what it was sent. */
export interface ModelOfAgent {
  readonly key: string;
  readonly script: Script;
  readonly record: ModelRecord;
}

/**
 * A server on this machine that hosts take for their vendor's. It tells agents apart by their keys, and
 * answers each by its script. What a host asks beside the conversation, offering no tools, such as a
 * title for it, is answered with a word and is in no record.
 */
export class ScriptedModel implements AsyncDisposable {
  readonly #agents = new Map<string, ModelOfAgent>();
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  static async start(): Promise<ScriptedModel> {
    const model = new ScriptedModel();
    await once(model.#server.listen(0, "127.0.0.1"), "listening");
    return model;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** The model of the agent that has this key. */
  agent(key: string, ...lines: readonly ScriptLine[]): ModelOfAgent {
    const agent = { key, script: new Script(), record: new ModelRecord() };
    agent.script.add(...lines);
    this.#agents.set(key, agent);
    return agent;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", this.url);
    const format = formats.find((known) => request.method === "POST" && known.isAsked(pathname));
    const agent = this.#agents.get(format?.keyOf(request.headers) ?? "");
    if (format === undefined || agent === undefined) {
      response.writeHead(404).end();
      return;
    }
    try {
      const events = await this.#answer(format, agent, await json(request));
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(events.map(eventText).join(""));
    } catch (error) {
      agent.record.fail(error);
      // Of the kind that no host repeats.
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: String(error) } }));
    }
  }

  async #answer(
    format: WireFormat,
    { script, record }: ModelOfAgent,
    body: unknown,
  ): Promise<readonly StreamEvent[]> {
    const request = format.read(body);
    let step: Step = { say: "Yes." };
    if (request.tools.length > 0) {
      record.add(request);
      step = await script.next(request);
    }
    return format.write(step, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function eventText(event: StreamEvent): string {
  const name = event.type === undefined ? "" : `event: ${event.type}\n`;
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}
