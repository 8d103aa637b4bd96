import { Crowd } from "../crowd.js";
import { EchoProcess } from "../echo-process.js";
import { type RowGroup, subjects } from "../row.js";

export const concurrent: RowGroup = {
  name: "concurrent",
  rows: [
    {
      id: "concurrent.send",
      title: "64 concurrent durable sends, 4 client processes",
      unit: "/s",
      how: "Each process sends for 16 peers over one connection, each peer one message at a time, to peers that are away. The echo: as many calls at a time from the same processes.",
      targets: [{ over: subjects.echo, atLeast: 0.8 }],
    },
    {
      id: "concurrent.delivery",
      title: "the same with delivery and acknowledgement of each",
      unit: "/s",
      how: "The 16 of each process send to a reader in the next process, which confirms each delivery. One report of a reader is under way at a time, with all that came meanwhile. The rate is of what is confirmed.",
      targets: [{ over: subjects.echo, atLeast: 0.5 }],
    },
  ],

  async measure(bench) {
    await using echo = await EchoProcess.start(bench.node);
    await using brokers = await bench.startBrokers();
    const crowds: Crowd[] = [];
    try {
      for (const broker of brokers.all) crowds.push(await Crowd.gather(broker, bench.node));
      const count = bench.counts.concurrentSends;
      const { fleet } = crowds[0] as Crowd;
      await fleet.echo(echo.address, count);
      for (const crowd of crowds) {
        await crowd.store(640);
        await crowd.deliver(640);
      }
      for (const round of bench.rounds()) {
        const note = (row: string, subject: string, rate: number): void =>
          bench.samples.add(row, subject, round, [rate]);
        const echoed = await fleet.echo(echo.address, count);
        note("concurrent.send", subjects.echo, echoed);
        note("concurrent.delivery", subjects.echo, echoed);
        for (const crowd of crowds) {
          if (bench.wanted.has("concurrent.send")) {
            note("concurrent.send", crowd.label, await crowd.store(count));
          }
          if (bench.wanted.has("concurrent.delivery")) {
            note("concurrent.delivery", crowd.label, await crowd.deliver(count));
          }
        }
      }
    } finally {
      for (const crowd of crowds) await crowd[Symbol.asyncDispose]();
    }
  },
};
