import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../crowd.js";
import { settleMs } from "../limits.js";
import { rssMiB } from "../memory.js";
import type { RowGroup } from "../row.js";

export const brokerMemory: RowGroup = {
  name: "broker memory",
  rows: [
    {
      id: "memory.broker.start",
      title: "broker's memory (RSS) at start",
      unit: "MiB",
      how: "1.5 s after its start.",
      targets: [{ atMost: 60 }],
    },
    {
      id: "memory.broker.messages",
      title: "the same after 24,000 messages",
      unit: "MiB",
      how: "Sent by 64 peers, four at a time, delivered and confirmed. A quick run sends 4,000.",
      targets: [{ atMost: 110 }],
    },
    {
      id: "memory.broker.speed",
      title: "the same after 64 clients at full speed",
      unit: "MiB",
      how: "They send 12,000 more, 64 at a time, delivered and confirmed. A quick run sends 4,000.",
      targets: [{ atMost: 150 }],
    },
    {
      id: "memory.broker.rest",
      title: "the same a minute later",
      unit: "MiB",
      how: "With the clients still connected. A quick run waits for 10 s.",
      targets: [{ atMost: 110 }],
    },
  ],

  async measure(bench) {
    await using brokers = await bench.startBrokers();
    const { memoryMessages, fullSpeedMessages, restMs } = bench.counts;
    const crowds: Crowd[] = [];
    const note = (row: string): void => {
      for (const { build, pid } of brokers.all) {
        bench.samples.add(`memory.broker.${row}`, build.label, 0, [rssMiB(pid)]);
      }
    };
    try {
      await sleep(settleMs);
      note("start");
      for (const broker of brokers.all) crowds.push(await Crowd.gather(broker, bench.node));
      for (const crowd of crowds) await crowd.deliver(memoryMessages, 1);
      note("messages");
      for (const [index, crowd] of crowds.entries()) {
        await crowd.deliver(fullSpeedMessages);
        const { build, pid } = brokers.all[index] as (typeof brokers.all)[number];
        bench.samples.add("memory.broker.speed", build.label, 0, [rssMiB(pid)]);
      }
      bench.tell(`… the brokers rest for ${restMs / 1000} s`);
      await sleep(restMs);
      note("rest");
    } finally {
      for (const crowd of crowds) await crowd[Symbol.asyncDispose]();
    }
  },
};
