import { join } from "node:path";
import { startNatsCluster } from "../../support/nats-cluster.js";
import { whyNatsIsMissing } from "../../support/nats-programs.js";
import { startNats } from "../../support/nats-server.js";
import { readProcess } from "../../support/process-reading.js";
import type { Bench } from "../bench-run.js";
import { programFile } from "../build.js";
import type { Gateway } from "../gateway.js";
import { engineBytes } from "../limits.js";
import { OrderProcess } from "../order-process.js";
import { type Row, type RowGroup, subjects, type Target } from "../row.js";
import { natsPlace } from "../store-place.js";
import { TemporaryFolder } from "../temporary-folder.js";
import { rateOf } from "../timing.js";

const atOnce = [1, 16, 256] as const;

/** Of each store that is compared, the bare engine below it. */
const beside = [
  [subjects.oneServer, subjects.bareOne],
  [subjects.threeServers, subjects.bareThree],
] as const;

export const engines: RowGroup = {
  name: "engines",
  rows: atOnce.flatMap((count): Row[] => [
    {
      id: `engine.rate.${count}`,
      title: `store: sent, delivered and confirmed, ${words(count)}`,
      unit: "/s",
      how: "Through the store's contract in one process: `enqueue`, `next` of a reader that waits, `advance` to CONFIRMED. Each sender writes to a recipient of its own. The bare engine: a publish that is awaited, a durable pull consumer, an acknowledgement that is not. Messages of 1 KiB. All servers are on this machine, with the settings that they have by themselves.",
      needs: subjects.oneServer,
      targets: beside.map(([of, over]): Target => ({ of, over, atLeast: 0.5 })),
    },
    {
      id: `engine.send.${count}`,
      title: `store: a send, ${words(count)}`,
      unit: "ms",
      how: "Of the same run: from the call until it is answered.",
      needs: subjects.oneServer,
      targets: latencyTargets(),
    },
    {
      id: `engine.delivery.${count}`,
      title: `store: send → delivery, ${words(count)}`,
      unit: "ms",
      how: "Of the same run: from the call until the recipient has the message.",
      needs: subjects.oneServer,
      targets: latencyTargets(),
    },
    {
      id: `engine.cpu.${count}`,
      title: `store: CPU time for a message, ${words(count)}`,
      unit: "ms",
      how: "Of the same run: of the gateway and of the servers together, and of the servers alone. It does not depend on what else the machine does as the rest does.",
      needs: subjects.oneServer,
      targets: beside.map(([of, over]): Target => ({ of, over, atMost: 2 })),
    },
  ]),

  missing: () => whyNatsIsMissing(),

  async measure(bench) {
    await using folder = await TemporaryFolder.make();
    await using one = await startNats();
    await using three = await startNatsCluster();
    await using gateway = new OrderProcess<Gateway>("gateway", bench.node);
    const sqlite = {
      technology: "sqlite",
      path: join(folder.path, "peerline.db"),
      worker: programFile("sqlite-worker"),
    } as const;
    await gateway.do("openStore", { name: subjects.sqlite, place: sqlite });
    await gateway.do("openStore", { name: subjects.oneServer, place: natsPlace([one.url]) });
    await gateway.do("openStore", { name: subjects.threeServers, place: natsPlace(three.urls) });
    await gateway.do("openBare", { name: subjects.bareOne, servers: [one.url] });
    await gateway.do("openBare", { name: subjects.bareThree, servers: three.urls });
    const threeServers = three.members.map(({ pid }) => pid);
    const servers: Record<string, readonly number[]> = {
      [subjects.sqlite]: [],
      [subjects.oneServer]: [one.pid],
      [subjects.bareOne]: [one.pid],
      [subjects.threeServers]: threeServers,
      [subjects.bareThree]: threeServers,
    };
    for (const name of compared) {
      await gateway.do("pass", {
        name,
        count: bench.counts.engineWarmUp,
        inFlight: 64,
        bytes: engineBytes,
      });
    }
    for (const round of bench.rounds(bench.counts.engineRounds)) {
      for (const inFlight of atOnce) {
        for (const name of compared) {
          const pids = servers[name] ?? [];
          await measure(bench, gateway, { name, inFlight, round, servers: pids });
        }
      }
    }
  },
};

const compared = [
  subjects.sqlite,
  subjects.oneServer,
  subjects.bareOne,
  subjects.threeServers,
  subjects.bareThree,
];

async function measure(
  bench: Bench,
  gateway: OrderProcess<Gateway>,
  {
    name,
    inFlight,
    round,
    servers,
  }: { name: string; inFlight: number; round: number; servers: readonly number[] },
): Promise<void> {
  const count = bench.counts.engineMessages[inFlight] ?? inFlight;
  const before = { gateway: cpuMs([gateway.pid]), servers: cpuMs(servers) };
  const passage = await gateway.do("pass", { name, count, inFlight, bytes: engineBytes });
  const ofGateway = (cpuMs([gateway.pid]) - before.gateway) / count;
  const ofServers = (cpuMs(servers) - before.servers) / count;
  bench.samples.add(`engine.cpu.${inFlight}`, name, round, [ofGateway + ofServers]);
  if (servers.length > 0) {
    bench.samples.add(`engine.cpu.${inFlight}`, `${name}, servers alone`, round, [ofServers]);
  }
  const rate = rateOf(count, [passage]);
  bench.samples.add(`engine.rate.${inFlight}`, name, round, [rate]);
  bench.samples.add(`engine.send.${inFlight}`, name, round, passage.sendsMs);
  bench.samples.add(`engine.delivery.${inFlight}`, name, round, passage.deliveriesMs);
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + readProcess(pid).cpuMs, 0);
}

function latencyTargets(): Target[] {
  return beside.flatMap(([of, over]): Target[] => [
    { of, over, atMost: 2 },
    { of, over, statistic: "p99", atMost: 2 },
  ]);
}

function words(count: number): string {
  return count === 1 ? "one at a time" : `${count} at a time`;
}
