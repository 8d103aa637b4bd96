import { setTimeout as sleep } from "node:timers/promises";
import { startNatsCluster } from "../../support/nats-cluster.js";
import { whyNatsIsMissing } from "../../support/nats-programs.js";
import { readProcess } from "../../support/process-reading.js";
import type { Bench } from "../bench-run.js";
import type { Gateway } from "../gateway.js";
import { engineBytes, engineLoad, settleMs } from "../limits.js";
import { OrderProcess } from "../order-process.js";
import { type RowGroup, subjects } from "../row.js";
import { natsPlace } from "../store-place.js";

const phases = ["without peers", "idle", "50 messages a second"] as const;
type Phase = (typeof phases)[number];

export const enginePeers: RowGroup = {
  name: "engine peers",
  rows: [
    {
      id: "engine.peers.memory",
      title: "memory (RSS) of three NATS servers and a gateway with 2,000 peers",
      unit: "MiB",
      how: "Each peer has a record, a session that is announced, and a reader that waits, all in one process through the store's contract. The target is what a server took with a durable consumer for each of 2,000 peers.",
      needs: of("each server", "idle"),
      targets: [{ of: of("each server", "idle"), atMost: 350 }],
    },
    {
      id: "engine.peers.cpu",
      title: "their CPU time",
      unit: "cores",
      how: "Of the same run: of all three servers, and of the gateway, over some seconds. Messages of 1 KiB between the peers in turn, each delivered and confirmed. The target is what the servers took with a durable consumer for each of 2,000 peers.",
      needs: of("all servers", "idle"),
      targets: [{ of: of("all servers", "idle"), atMost: 0.6 }],
    },
    {
      id: "engine.peers.delivery",
      title: "send → delivery among 2,000 peers",
      unit: "ms",
      how: "Of the same run, at 50 messages a second.",
      needs: subjects.threeServers,
      targets: [],
    },
  ],

  missing: () => whyNatsIsMissing(),

  async measure(bench) {
    await using servers = await startNatsCluster();
    await using gateway = new OrderProcess<Gateway>("gateway", bench.node);
    const name = subjects.threeServers;
    await gateway.do("openStore", { name, place: natsPlace(servers.urls) });
    const pids = { servers: servers.members.map(({ pid }) => pid), gateway: gateway.pid };
    const { enginePeers: peers, engineLoadMs: ms } = bench.counts;

    await watched(bench, pids, "without peers", () => sleep(ms));
    bench.tell(`… ${peers} peers are made`);
    await gateway.do("gather", { name, peers });
    await sleep(settleMs);
    await watched(bench, pids, "idle", () => sleep(ms));
    const passage = await watched(bench, pids, "50 messages a second", () =>
      gateway.do("trickle", { name, perSecond: engineLoad, ms, bytes: engineBytes }),
    );
    bench.samples.add("engine.peers.delivery", name, 0, passage.deliveriesMs);
  },
};

/** Reads what the processes take while something goes on, and at its end. */
async function watched<T>(
  { samples }: Bench,
  { servers, gateway }: { servers: readonly number[]; gateway: number },
  phase: Phase,
  act: () => Promise<T>,
): Promise<T> {
  const pids = [...servers, gateway];
  const begin = pids.map((pid) => readProcess(pid).cpuMs);
  const beginMs = performance.now();
  const value = await act();
  const wallMs = performance.now() - beginMs;
  const ends = pids.map((pid) => readProcess(pid));
  const cores = ends.map(({ cpuMs }, index) => (cpuMs - (begin[index] ?? 0)) / wallMs);
  const memory = ends.map(({ rssMiB }) => rssMiB);
  const all = cores.slice(0, -1).reduce((sum, one) => sum + one, 0);
  samples.add("engine.peers.memory", of("each server", phase), 0, memory.slice(0, -1));
  samples.add("engine.peers.memory", of("gateway", phase), 0, memory.slice(-1));
  samples.add("engine.peers.cpu", of("all servers", phase), 0, [all]);
  samples.add("engine.peers.cpu", of("gateway", phase), 0, cores.slice(-1));
  return value;
}

function of(what: string, phase: Phase): string {
  return `${what}, ${phase}`;
}
