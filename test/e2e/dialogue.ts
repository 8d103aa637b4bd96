import { expect } from "vitest";
import type { Agent } from "../mcp/agent.js";
import { eventually } from "../support/test-broker.js";

interface Shown {
  readonly text: string;
  /** It may have been shown before. */
  readonly redelivered?: boolean;
}

/** Two agents that write to each other, and what came of it. */
export class Dialogue {
  readonly #agents: Readonly<Record<string, Agent>>;
  readonly #sent: Record<string, string[]> = {};
  readonly #shown: Record<string, Shown[]> = {};

  /** @param agents by their names */
  constructor(agents: Readonly<Record<string, Agent>>) {
    this.#agents = agents;
    for (const name of Object.keys(agents)) {
      this.#sent[name] = [];
      this.#shown[name] = [];
    }
  }

  /** Each sends to the other. A send that was not answered is repeated as it was. */
  async round(what: string): Promise<void> {
    const [one = "", other = ""] = Object.keys(this.#agents);
    await Promise.all([this.send(one, other, what), this.send(other, one, what)]);
  }

  async send(from: string, to: string, what: string): Promise<void> {
    const text = `${what} to ${to}`;
    this.#sent[to]?.push(text);
    await eventually(() => this.#agents[from]?.facts("send_message", { to, message: text }));
  }

  /** Each reads what has come by now. */
  async hear(): Promise<void> {
    await Promise.all(Object.keys(this.#agents).map((name) => this.wait(name, 300)));
  }

  /** One waits for mail. While its broker is away it is told so, and waits again. */
  async wait(name: string, waitMs: number): Promise<void> {
    const read = () => this.#agents[name]?.facts("get_messages", { wait_ms: waitMs });
    const { messages } = await eventually(read);
    this.#shown[name]?.push(...(messages as Shown[]));
  }

  /** Waits until each has read all that was sent to it, and nothing twice that was not marked. */
  async isWhole(): Promise<void> {
    await eventually(async () => {
      await this.hear();
      for (const [name, texts] of Object.entries(this.#sent)) {
        const shown = this.#shown[name] ?? [];
        expect(new Set(shown.map(({ text }) => text))).toEqual(new Set(texts));
        const again = shown.filter(
          ({ text, redelivered }, index) =>
            redelivered !== true && shown.findIndex((one) => one.text === text) < index,
        );
        expect(again).toEqual([]);
      }
    });
  }
}
