import { existsSync, statSync } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../bench-run.js";
import { BenchBroker, timeStart } from "../broker.js";
import { type Build, programFile, subjectOf } from "../build.js";
import { runFiller, sizeWords } from "../filled-store.js";
import { storePeers, textBytes } from "../limits.js";
import { LoadProcess } from "../load-process.js";
import type { Row, RowGroup } from "../row.js";
import { TemporaryFolder } from "../temporary-folder.js";

const [small, middle, large] = [1000, 100_000, 1_000_000].map(sizeWords) as [
  string,
  string,
  string,
];

export const growth: RowGroup = {
  name: "growth",
  rows: [
    {
      id: "growth.start",
      title: "broker's start on a filled store",
      unit: "ms",
      how: "From its spawn until it listens. 200 peers; all but one in a hundred of the messages are confirmed.",
      needs: small,
      targets: [
        { of: middle, atMost: 500, modes: ["quick", "full"] },
        { of: large, atMost: 500, modes: ["full"] },
      ],
    },
    growthRow("send", "SendMessage", "One at a time, to a peer that is away."),
    growthRow(
      "read",
      "read",
      "From Subscribe until the one message that waits is seen; the stream is closed after each.",
    ),
    growthRow("peers", "ListPeers", "The first page: 100 peers."),
    growthRow("history", "history", "The first page of ListMessages of one peer: 50 messages."),
  ],

  async measure(bench) {
    await using folder = await TemporaryFolder.make();
    const stores: FilledStore[] = [];
    try {
      for (const size of bench.counts.storeSizes) {
        const file = await fill(bench, bench.stores ?? folder.path, size);
        for (const build of bench.builds) {
          const home = join(folder.path, `${stores.length}`);
          await mkdir(home, { mode: 0o700 });
          await copyFile(file, join(home, "peerline.db"));
          stores.push(new FilledStore(bench, build, size, home));
        }
      }
      for (const round of bench.rounds(bench.counts.brokerStarts)) {
        for (const store of stores) {
          const startMs = await timeStart(store.build, store.home, bench.node);
          bench.samples.add("growth.start", store.subject, round, [startMs]);
        }
      }
      for (const store of stores) await store.open(bench.counts.rounds);
      for (const round of bench.rounds()) {
        for (const store of stores) await store.measure(round);
      }
    } finally {
      for (const store of stores) await store[Symbol.asyncDispose]();
    }
  },
};

function growthRow(id: string, title: string, how: string): Row {
  return {
    id: `growth.${id}`,
    title: `${title} on a filled store`,
    unit: "ms",
    how,
    needs: small,
    targets: [
      { of: middle, over: small, atMost: 1.3, modes: ["quick", "full"] },
      { of: large, over: small, atMost: 1.3, modes: ["full"] },
    ],
  };
}

/** A database with so many messages; it is made where there is none. */
async function fill(bench: Bench, folder: string, size: number): Promise<string> {
  const file = join(folder, `filled-${size}.db`);
  if (!existsSync(file)) {
    await mkdir(folder, { recursive: true });
    const draft = `${file}.draft`;
    await rm(draft, { force: true });
    const worker = programFile("sqlite-worker");
    await runFiller(bench, { technology: "sqlite", path: draft, worker }, size);
    await rename(draft, file);
  }
  const megabytes = (statSync(file).size / 1e6).toFixed(0);
  bench.notes.push(`the store of ${sizeWords(size)} has ${megabytes} MB.`);
  return file;
}

/** A filled store of one build, with a broker on it once it is open. */
class FilledStore implements AsyncDisposable {
  readonly build: Build;
  readonly home: string;
  readonly subject: string;
  readonly #bench: Bench;
  #broker: BenchBroker | undefined;
  #load: LoadProcess | undefined;

  constructor(bench: Bench, build: Build, size: number, home: string) {
    this.#bench = bench;
    this.build = build;
    this.home = home;
    this.subject = subjectOf(build, sizeWords(size));
  }

  async open(rounds: number): Promise<void> {
    this.#broker = await BenchBroker.start(this.build, this.home, this.#bench.node);
    this.#load = new LoadProcess(this.#bench.node);
    const { address } = this.#broker;
    const names = Array.from({ length: rounds + 1 }, (_, round) => senderOf(round));
    await this.#load.do("join", { address, names: [...names, recipient, "reader"] });
    await this.#run(senderOf(rounds), 20);
  }

  async measure(round: number): Promise<void> {
    const timings = await this.#run(senderOf(round), this.#bench.counts.growthCalls);
    for (const [row, values] of Object.entries(timings)) {
      this.#bench.samples.add(`growth.${row}`, this.subject, round, values);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load?.[Symbol.asyncDispose]();
    await this.#broker?.[Symbol.asyncDispose]();
  }

  async #run(from: string, count: number): Promise<Record<string, readonly number[]>> {
    const load = this.#load;
    if (load === undefined) throw new Error("no broker is open on this store");
    const send = await load.do("send", { from: [from], to: [[recipient]], count, textBytes });
    const read = await load.do("read", { from, to: "reader", count, textBytes });
    const peers = await load.do("pages", { as: from, method: "listPeers", count });
    const history = await load.do("pages", { as: from, method: "listMessages", count });
    return {
      send: send.latenciesMs,
      read: read.latenciesMs,
      peers: peers.latenciesMs,
      history: history.latenciesMs,
    };
  }
}

/** A peer of the filled store: what it may send at once is for one round. */
function senderOf(round: number): string {
  return `stored-${round}`;
}

const recipient = `stored-${storePeers - 1}`;
