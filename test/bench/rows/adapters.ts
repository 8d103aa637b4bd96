import { setTimeout as sleep } from "node:timers/promises";
import { EchoProcess } from "../echo-process.js";
import { requestBytes, rivalPollMs, textBytes, waitingMs } from "../limits.js";
import { LoadProcess } from "../load-process.js";
import { bareServer, type Mailbox, MailboxAgent, peerlineMailbox, rivalNames } from "../mailbox.js";
import { type RowGroup, subjects } from "../row.js";
import { StdioServer } from "../stdio-server.js";
import { TemporaryFolder } from "../temporary-folder.js";
import { timeMany } from "../timing.js";

export const adapters: RowGroup = {
  name: "adapters",
  rows: [
    {
      id: "exchange",
      title: "send on A → waiting get_messages on B returns, two real adapters",
      unit: "ms",
      how: "MCP over stdio, with B's call already waiting. The rival's sends are spread over its second between polls.",
      targets: [
        { over: subjects.echo, atMost: 7 },
        { over: rivalNames.polling, atMost: 1 / 100 },
      ],
    },
    {
      id: "sends",
      title: "sends one after the other through one adapter",
      unit: "/s",
      how: "Calls of send_message, each when the one before was answered.",
      targets: [
        { over: rivalNames.polling, atLeast: 1 },
        { over: rivalNames.synced, atLeast: 1 },
      ],
    },
    toolRow("send_message", 8, "The same calls, each by itself."),
    toolRow("list_peers", 5, "With two agents and a handful of programs."),
    toolRow("get_messages", 1.5, "One message waits in the adapter, and limit is 1.", ".one"),
    toolRow("get_messages", 1.5, "Nothing waits.", ".none"),
  ],

  async measure(bench) {
    await using echo = await EchoProcess.start(bench.node);
    await using load = new LoadProcess(bench.node);
    await using brokers = await bench.startBrokers();
    await using folder = await TemporaryFolder.make();
    const pairs: Pair[] = [];
    const bareCommand = bareServer({ node: bench.node, folder: folder.path });
    await using bare = await StdioServer.start(bareCommand);
    try {
      const { toolCalls, exchanges, rivalExchanges } = bench.counts;
      for (const { build, home } of brokers.all) {
        const mailbox = peerlineMailbox(build);
        pairs.push(await Pair.start(mailbox, bench.node, { folder: home, exchanges, pollMs: 0 }));
      }
      for (const rival of bench.rivals) {
        const of = { folder: folder.path, exchanges: rivalExchanges, pollMs: rivalPollMs };
        pairs.push(await Pair.start(rival, bench.node, of));
      }
      await timeMany(20, 1, () => say(bare));
      for (const pair of pairs) {
        await pair.warmUp();
      }
      const { address } = echo;
      const count = bench.counts.calls;
      await load.do("echo", { address, bytes: requestBytes, count: 500, inFlight: 1 });
      for (const round of bench.rounds()) {
        const note = (row: string, subject: string, values: readonly number[]): void =>
          bench.samples.add(row, subject, round, values);
        const echoed = await load.do("echo", { address, bytes: requestBytes, count, inFlight: 1 });
        note("exchange", subjects.echo, echoed.latenciesMs);
        const said = (await timeMany(toolCalls, 1, () => say(bare))).latenciesMs;
        const looked = (await timeMany(toolCalls, 1, () => bare.call("look", {}))).latenciesMs;
        note("tool.send_message", subjects.bare, said);
        for (const row of ["tool.list_peers", "tool.get_messages.one", "tool.get_messages.none"]) {
          note(row, subjects.bare, looked);
        }
        for (const pair of pairs) {
          for (const [row, values] of Object.entries(
            await pair.measure(toolCalls, bench.wanted.has("exchange")),
          )) {
            note(row, pair.name, values);
          }
        }
      }
    } finally {
      for (const pair of pairs) await pair[Symbol.asyncDispose]();
    }
  },
};

function toolRow(tool: string, atMost: number, how: string, suffix = "") {
  return {
    id: `tool.${tool}${suffix}`,
    title: `${tool} through the adapter`,
    unit: "ms",
    how: `${how} The bare server answers a tool call of about the same size.`,
    targets: [{ over: subjects.bare, atMost }],
  } as const;
}

function say(bare: StdioServer): Promise<unknown> {
  return bare.call("say", { to: "b", text: "x".repeat(textBytes) });
}

const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** Two agents of one mailbox. */
class Pair implements AsyncDisposable {
  readonly name: string;
  readonly #sender: MailboxAgent;
  readonly #recipient: MailboxAgent;
  readonly #exchanges: number;
  readonly #pollMs: number;
  #sent = 0;
  #exchanged = 0;

  private constructor(
    name: string,
    agents: readonly [MailboxAgent, MailboxAgent],
    of: { exchanges: number; pollMs: number },
  ) {
    this.name = name;
    [this.#sender, this.#recipient] = agents;
    this.#exchanges = of.exchanges;
    this.#pollMs = of.pollMs;
  }

  static async start(
    mailbox: Mailbox,
    node: string,
    of: { folder: string; exchanges: number; pollMs: number },
  ): Promise<Pair> {
    const { folder } = of;
    const sender = await MailboxAgent.start(mailbox, { node, folder, agent: "a" });
    try {
      const recipient = await MailboxAgent.start(mailbox, { node, folder, agent: "b" });
      return new Pair(mailbox.name, [sender, recipient], of);
    } catch (error) {
      await sender[Symbol.asyncDispose]();
      throw error;
    }
  }

  async warmUp(): Promise<void> {
    await this.#recipient.list();
    await timeMany(10, 1, () => this.#send());
    await this.#drain();
    await timeMany(10, 1, () => this.#sender.list());
  }

  /** The values of one round, by row. */
  async measure(count: number, withExchange: boolean): Promise<Record<string, readonly number[]>> {
    const sent = await timeMany(count, 1, () => this.#send());
    // All of it is with the recipient's adapter before that is asked.
    await sleep(200);
    const one = await timeMany(count, 1, () => this.#recipient.receive(0, 1));
    await this.#drain();
    const none = await timeMany(count, 1, () => this.#recipient.receive(0));
    const listed = await timeMany(count, 1, () => this.#sender.list());
    const exchanged = withExchange ? (await this.#exchange()).latenciesMs : undefined;
    return {
      ...(exchanged === undefined ? {} : { exchange: exchanged }),
      sends: [(count / (sent.endMs - sent.beginMs)) * 1000],
      "tool.send_message": sent.latenciesMs,
      "tool.list_peers": listed.latenciesMs,
      "tool.get_messages.one": one.latenciesMs,
      "tool.get_messages.none": none.latenciesMs,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sender[Symbol.asyncDispose]();
    await this.#recipient[Symbol.asyncDispose]();
  }

  #exchange() {
    return timeMany(this.#exchanges, 1, async ({ begin }) => {
      const received = this.#recipient.receive(30_000);
      // Spread evenly over the time between two polls, however many there are.
      const part = (this.#exchanged++ * goldenRatio) % 1;
      await sleep(waitingMs + part * this.#pollMs);
      begin();
      await Promise.all([this.#send(), received]);
    });
  }

  #send(): Promise<unknown> {
    return this.#sender.send("b", `${this.#sent++} `.padEnd(textBytes, "lorem ipsum "));
  }

  /** Reads what waits until nothing does. */
  async #drain(): Promise<void> {
    await sleep(50);
    for (let pages = 0; pages < 20; pages++) await this.#recipient.receive(0);
  }
}
