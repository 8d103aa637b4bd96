import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { EchoProcess } from "../echo-process.js";
import { requestBytes, textBytes } from "../limits.js";
import { LoadProcess } from "../load-process.js";
import { type RowGroup, subjects } from "../row.js";
import { nowMs } from "../timing.js";

export const oneAtATime: RowGroup = {
  name: "one at a time",
  rows: [
    {
      id: "send",
      title: "durable SendMessage, one at a time, gRPC",
      unit: "ms",
      how: "A bare client sends 256 bytes to a peer that is away. The echo carries a request of the same size, from a process of the same code.",
      targets: [{ over: subjects.echo, atMost: 2.5 }],
    },
    {
      id: "delivery",
      title: "send → delivery seen, gRPC to gRPC",
      unit: "ms",
      how: "From a send to the delivery on the recipient's stream, over two connections of one process; the next when the delivery is confirmed. The relay is a bare server that writes what it is sent to a stream.",
      targets: [
        { over: subjects.echo, atMost: 3 },
        { statistic: "p99", over: subjects.echo, atMost: 6 },
      ],
    },
  ],

  async measure(bench) {
    await using echo = await EchoProcess.start(bench.node);
    await using brokers = await bench.startBrokers();
    await using load = new LoadProcess(bench.node);
    const { calls } = bench.counts;
    const rounds = [...bench.rounds()];
    // A sender for each round, since each may send 600 at once.
    const senders = rounds.map((round) => `sender-${round}`);
    const clients: LoadProcess[] = [];
    try {
      for (const { address } of brokers.all) {
        const client = new LoadProcess(bench.node);
        clients.push(client);
        await client.do("join", { address, names: ["away", "warm", ...senders] });
        await client.do("join", { address, names: ["reader"], own: true });
        await client.do("subscribe", { names: ["reader"] });
        await client.do("send", { from: ["warm"], to: [["away"]], count: 100, textBytes });
        await client.do("exchange", { from: "warm", to: "reader", count: 100, textBytes });
      }
      const { address } = echo;
      const bytes = requestBytes;
      await load.do("echo", { address, bytes, count: 500, inFlight: 1 });
      for (const round of bench.rounds()) {
        const note = (row: string, subject: string, values: readonly number[]): void =>
          bench.samples.add(row, subject, round, values);
        const echoed = await load.do("echo", { address, bytes, count: calls, inFlight: 1 });
        note("send", subjects.echo, echoed.latenciesMs);
        note("delivery", subjects.echo, echoed.latenciesMs);
        const relayed = await load.do("relay", { address, bytes, count: calls });
        note("delivery", subjects.relay, relayed.latenciesMs);
        note("send", subjects.sync, timeSyncs(brokers.all[0]?.home ?? "", calls));
        const from = senders[round] ?? "";
        for (const [index, { build }] of brokers.all.entries()) {
          const client = clients[index] as LoadProcess;
          if (bench.wanted.has("send")) {
            const of = { from: [from], to: [["away"]], count: calls, textBytes };
            note("send", build.label, (await client.do("send", of)).latenciesMs);
          }
          if (bench.wanted.has("delivery")) {
            const of = { from, to: "reader", count: calls, textBytes };
            note("delivery", build.label, (await client.do("exchange", of)).latenciesMs);
          }
        }
      }
    } finally {
      for (const client of clients) await client[Symbol.asyncDispose]();
    }
  },
};

/** What a durable write costs there at least: a page of a file that has its length already, written and synced. */
function timeSyncs(folder: string, count: number): number[] {
  const file = openSync(join(folder, "bench-sync"), "w");
  const page = Buffer.alloc(4096, 1);
  try {
    writeSync(file, Buffer.alloc(count * page.length));
    fdatasyncSync(file);
    return Array.from({ length: count }, (_, index) => {
      const beginMs = nowMs();
      writeSync(file, page, 0, page.length, index * page.length);
      fdatasyncSync(file);
      return nowMs() - beginMs;
    });
  } finally {
    closeSync(file);
  }
}
