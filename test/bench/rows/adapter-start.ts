import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryCalls, settleMs } from "../limits.js";
import {
  bareServer,
  commandOf,
  type Mailbox,
  MailboxAgent,
  peerlineMailbox,
  rivalNames,
} from "../mailbox.js";
import { pssMiB, rssMiB } from "../memory.js";
import { type RowGroup, subjects } from "../row.js";
import { StdioServer } from "../stdio-server.js";
import { TemporaryFolder } from "../temporary-folder.js";
import { nowMs } from "../timing.js";

export const adapterStart: RowGroup = {
  name: "adapter start",
  rows: [
    {
      id: "start",
      title: "`peerline mcp`, spawn to initialize answered",
      unit: "ms",
      how: "A broker runs already. The bare server of the MCP SDK is bundled as the product is; node alone is from its spawn to its end.",
      targets: [
        { over: subjects.bare, atMost: 1.15 },
        { over: rivalNames.polling, atMost: 1 },
      ],
    },
    {
      id: "memory.adapter.start",
      title: "its memory (RSS), 1.5 s later",
      unit: "MiB",
      how: "After initialize and tools/list.",
      targets: [{ atMost: 58 }],
    },
    {
      id: "memory.adapter.used",
      title: "its memory (RSS) after use",
      unit: "MiB",
      how: `After ${memoryCalls} calls: half of them sends, a quarter lists, a quarter reads.`,
      targets: [{ atMost: 70 }],
    },
    {
      id: "memory.adapter.pss",
      title: "its share of memory (PSS) after use",
      unit: "MiB",
      how: "What processes share is divided among them.",
      targets: [],
    },
  ],

  async measure(bench) {
    await using brokers = await bench.startBrokers();
    await using folder = await TemporaryFolder.make();
    const { node } = bench;
    const started: Starter[] = [];
    for (const { build, home } of brokers.all) {
      started.push(new MailboxStarter(peerlineMailbox(build), node, home));
    }
    started.push(new BareStarter(node, folder.path));
    for (const [index, rival] of bench.rivals.entries()) {
      const own = join(folder.path, String(index));
      await mkdir(own);
      started.push(new MailboxStarter(rival, node, own));
    }

    const starts = bench.wanted.has("start") ? bench.counts.starts : 0;
    for (const round of bench.rounds(starts)) {
      bench.samples.add("start", subjects.node, round, [await timeNode(node)]);
      for (const starter of started) {
        await using server = await StdioServer.start(starter.command);
        bench.samples.add("start", starter.name, round, [server.startMs]);
      }
    }
    const isMemoryWanted = [...bench.wanted].some((id) => id.startsWith("memory.adapter"));
    for (const round of bench.rounds(isMemoryWanted ? bench.counts.memories : 0)) {
      for (const starter of started) {
        const note = (row: string, value: number): void =>
          bench.samples.add(`memory.adapter.${row}`, starter.name, round, [value]);
        await using used = await starter.use();
        await sleep(settleMs);
        note("start", rssMiB(used.server.pid));
        for (let calls = 0; calls < memoryCalls; calls++) await used.act(calls);
        note("used", rssMiB(used.server.pid));
        note("pss", pssMiB(used.server.pid));
      }
    }
  },
};

interface Used extends AsyncDisposable {
  readonly server: StdioServer;
  act(count: number): Promise<unknown>;
}

interface Starter {
  readonly name: string;
  readonly command: ReturnType<typeof commandOf>;
  use(): Promise<Used>;
}

class MailboxStarter implements Starter {
  readonly name: string;
  readonly command: ReturnType<typeof commandOf>;
  readonly #mailbox: Mailbox;
  readonly #of: { node: string; folder: string; agent: string };
  #uses = 0;

  constructor(mailbox: Mailbox, node: string, folder: string) {
    this.name = mailbox.name;
    this.#mailbox = mailbox;
    this.#of = { node, folder, agent: "a" };
    this.command = commandOf(mailbox, this.#of);
  }

  async use(): Promise<Used> {
    // A new name each time: a sender has a bound.
    const name = `used-${this.#uses++}`;
    const agent = await MailboxAgent.start(this.#mailbox, { ...this.#of, agent: name });
    return {
      server: agent.server,
      act(count) {
        // To itself, so that there is something to read.
        if (count % 2 === 0) return agent.send(name, `${count} `.padEnd(256, "lorem ipsum "));
        return count % 4 === 1 ? agent.list() : agent.receive(0);
      },
      [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
    };
  }
}

class BareStarter implements Starter {
  readonly name = subjects.bare;
  readonly command: ReturnType<typeof bareServer>;

  constructor(node: string, folder: string) {
    this.command = bareServer({ node, folder });
  }

  async use(): Promise<Used> {
    const server = await StdioServer.start(this.command);
    return {
      server,
      act: (count) =>
        count % 2 === 0
          ? server.call("say", { to: "a", text: `${count} `.padEnd(256, "lorem ipsum ") })
          : server.call("look", {}),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
}

async function timeNode(node: string): Promise<number> {
  const beginMs = nowMs();
  const [code] = (await once(spawn(node, ["-e", "0"], { stdio: "ignore" }), "exit")) as [number];
  if (code !== 0) throw new Error(`${node} -e 0 ended with ${code}`);
  return nowMs() - beginMs;
}
