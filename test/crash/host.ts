import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { sleep } from "../../src/clock.js";
import { Agent } from "../mcp/agent.js";
import type { Recorder } from "./history.js";
import { readLetter, writeLetter } from "./letter.js";
import { maxHostThinkMs, retryMs, statusEvery } from "./limits.js";
import type { Progress } from "./progress.js";
import type { Random } from "./random.js";
import type { Victim } from "./victim.js";
import type { Wire } from "./wire.js";

export interface HostOptions {
  readonly name: string;
  readonly everyone: readonly string[];
  readonly home: string;
  /** Of the conversation, which outlives each adapter. */
  readonly conversationId: string;
  /** The way to the broker, its own alone; undefined for the home's socket. */
  readonly wire: Wire | undefined;
  readonly record: Recorder;
  readonly random: Random;
  readonly progress: Progress;
}

interface Shown {
  readonly id: string;
  readonly key: string;
}

/**
 * The host of one real `peerline mcp`: it reads, sends, asks, one call after the other, and starts the
 * adapter again whenever it was killed. What it saw in a result counts as presented.
 */
export class Host implements Victim, AsyncDisposable {
  readonly #options: HostOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #agent: Agent | undefined;
  #killed = false;
  #number = 0;
  #calls = 0;
  /** What the last result showed: its next call confirms that. */
  #shown: Shown[] = [];
  /** A send that failed: the adapter, while it lives, knows the same call again. */
  #unanswered: { key: string; to: readonly string[] } | undefined;
  #draining = false;
  #resolveDrained = (): void => {};

  constructor(options: HostOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async kill(): Promise<void> {
    this.#killed = true;
    this.#signal("SIGKILL");
  }

  get between(): Victim["between"] {
    const { wire, progress } = this.#options;
    if (wire === undefined) return undefined;
    return async (strike) => {
      // Its calls on a new connection: GetServerInfo, Register, Subscribe.
      const held = wire.hold(3);
      await this.kill();
      const release = await progress.unlessBroken(held);
      await strike();
      release();
    };
  }

  stop(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Sends nothing new; resolves when nothing it sent is without an answer. It goes on to read. */
  async drain(): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#resolveDrained = resolve));
    this.#draining = true;
    await drained;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#agent?.pid ?? 0;
    if (pid === 0) return;
    try {
      process.kill(pid, signal);
    } catch {
      // Killed a moment ago, and about to be started again.
    }
  }

  async #run(): Promise<void> {
    const { home, name, conversationId, wire, progress } = this.#options;
    while (!this.#stop.signal.aborted) {
      const env = {
        PEERLINE_NAME: name,
        CLAUDE_CODE_SESSION_ID: conversationId,
        ...(wire === undefined ? {} : { PEERLINE_BROKER: `unix:${wire.path}` }),
      };
      const agent = new Agent({ home, clientName: "claude-code", env });
      this.#agent = agent;
      this.#killed = false;
      this.#shown = [];
      this.#unanswered = undefined;
      try {
        await agent.start();
        await this.#converse(agent);
      } catch (error) {
        // A call rejects when its adapter was killed under it.
        if (!this.#killed) progress.fail(error);
      }
      await agent[Symbol.asyncDispose]().catch(() => undefined);
    }
    this.#agent = undefined;
  }

  async #converse(agent: Agent): Promise<void> {
    const { random } = this.#options;
    let isNamed = false;
    while (!this.#stop.signal.aborted) {
      isNamed ||= await this.#noteName(agent);
      const shown = await this.#read(agent);
      if (this.#calls % statusEvery === 0) await this.#ask(agent, shown);
      if (!this.#draining || this.#unanswered !== undefined) await this.#send(agent);
      else this.#resolveDrained();
      await sleep(random.between(0, maxHostThinkMs));
    }
  }

  /** Notes under which name the adapter came back, once it has. */
  async #noteName(agent: Agent): Promise<boolean> {
    const result = await this.#call(agent, "list_peers", { online_only: true });
    if (result.isError === true) return false;
    const { you } = result.structuredContent as unknown as { you: { name: string } };
    const { name: peer, record } = this.#options;
    record({ act: "return", peer, key: `return/${peer}`, as: you.name });
    return true;
  }

  async #read(agent: Agent): Promise<readonly Shown[]> {
    const result = await this.#call(agent, "get_messages", { wait_ms: 300 });
    if (result.isError === true) {
      await sleep(retryMs);
      return [];
    }
    const { messages } = result.structuredContent as unknown as Mail;
    const { name: peer, record } = this.#options;
    for (const { id, from, text = "", redelivered = false } of messages) {
      // The broker's own word, of messages that ended.
      if (from.name === "peerline") continue;
      const letter = readLetter(text);
      record({ act: "present", peer, ...letter, from: from.name, redelivered });
      this.#shown.push({ id, key: letter.key });
    }
    return [...this.#shown];
  }

  /** Asks where a message stands that was shown a moment ago: this very call confirms it. */
  async #ask(agent: Agent, shown: readonly Shown[]): Promise<void> {
    const [first] = shown;
    if (first === undefined) return;
    const { name: peer, record } = this.#options;
    const result = await this.#call(agent, "message_status", { message_id: first.id });
    const { receipts = [] } = (result.structuredContent ?? {}) as unknown as Partial<Status>;
    const state = receipts.find(({ name }) => name === peer)?.state;
    if (state !== "confirmed") return;
    record({ act: "report", phase: "ok", peer, key: first.key, outcome: "confirmed" });
  }

  async #send(agent: Agent): Promise<void> {
    const { name: peer, everyone, random, record, progress } = this.#options;
    const others = everyone.filter((other) => other !== peer);
    const { key, to } = this.#unanswered ?? {
      key: `${peer}/${++this.#number}`,
      to: random.sample(others, random.next() < 0.1 ? 3 : 1),
    };
    this.#unanswered = { key, to };
    const send = { act: "send", peer, key } as const;
    record({ ...send, phase: "invoke", to });
    let result: CallToolResult;
    try {
      result = await this.#call(agent, "send_message", { to, message: writeLetter(key, to) });
    } catch (error) {
      record({ ...send, phase: "unknown", to });
      throw error;
    }
    if (result.isError === true) {
      record({ ...send, phase: "unknown", to });
      await sleep(retryMs);
      return;
    }
    const { recipients } = result.structuredContent as unknown as SendAnswer;
    const accepted = recipients.filter(({ error }) => error === undefined);
    record({ ...send, phase: "ok", to: accepted.map(({ name }) => name) });
    this.#unanswered = undefined;
    progress.add(1);
  }

  /** A call begins: the host has taken in what the results before it showed. */
  async #call(agent: Agent, name: string, parameters: { [key: string]: unknown }) {
    this.#calls++;
    const { name: peer, record } = this.#options;
    for (const { key } of this.#shown.splice(0)) {
      record({ act: "report", phase: "invoke", peer, key, outcome: "confirmed" });
    }
    return agent.call(name, parameters);
  }
}

interface Mail {
  readonly messages: readonly {
    readonly id: string;
    readonly from: { readonly name: string };
    readonly text?: string;
    readonly redelivered?: boolean;
  }[];
}

interface Status {
  readonly receipts: readonly { readonly name: string; readonly state: string }[];
}

interface SendAnswer {
  readonly recipients: readonly { readonly name: string; readonly error?: string }[];
}
