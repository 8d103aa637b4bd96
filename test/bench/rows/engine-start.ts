import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNats } from "../../support/nats-server.js";
import { whyNatsIsMissing } from "../../support/nats-programs.js";
import type { Bench } from "../bench-run.js";
import type { Gateway } from "../gateway.js";
import { settleMs } from "../limits.js";
import { rssMiB } from "../memory.js";
import { OrderProcess } from "../order-process.js";
import type { RowGroup } from "../row.js";
import { runFiller, sizeWords } from "../filled-store.js";
import { natsPlace } from "../store-place.js";
import { TemporaryFolder } from "../temporary-folder.js";

const largest = sizeWords(100_000);

export const engineStart: RowGroup = {
  name: "engine start",
  rows: [
    {
      id: "engine.start",
      title: "a store is opened over a filled NATS server",
      unit: "ms",
      how: "In a new process, until it serves: it reads the heads of all messages that are kept. 200 peers; all but one in a hundred of the messages are confirmed.",
      needs: sizeWords(1000),
      targets: [{ of: largest, atMost: 5000, modes: ["quick", "full"] }],
    },
    {
      id: "engine.start.memory",
      title: "memory (RSS) of that process",
      unit: "MiB",
      how: "1.5 s later.",
      needs: sizeWords(1000),
      targets: [{ of: largest, atMost: 200, modes: ["quick", "full"] }],
    },
  ],

  missing: () => whyNatsIsMissing(),

  async measure(bench) {
    await using folder = await TemporaryFolder.make();
    const sizes = bench.counts.storeSizes.filter((size) => size <= 100_000);
    for (const size of sizes) {
      const kept = await fill(bench, bench.stores ?? folder.path, size);
      await using server = await startNats({ folder: kept });
      for (const round of bench.rounds(bench.counts.brokerStarts)) {
        await using gateway = new OrderProcess<Gateway>("gateway", bench.node);
        const place = natsPlace([server.url]);
        const startMs = await gateway.do("openStore", { name: "filled", place });
        bench.samples.add("engine.start", sizeWords(size), round, [startMs]);
        await sleep(settleMs);
        bench.samples.add("engine.start.memory", sizeWords(size), round, [rssMiB(gateway.pid)]);
      }
    }
  },
};

/** The folder of a server with so many messages; it is made where there is none. */
async function fill(bench: Bench, folder: string, size: number): Promise<string> {
  const kept = join(folder, `filled-${size}-nats`);
  if (existsSync(kept)) return kept;
  const draft = `${kept}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await using server = await startNats({ folder: draft });
  await runFiller(bench, natsPlace([server.url]), size);
  await server.stop();
  await rename(draft, kept);
  return kept;
}
