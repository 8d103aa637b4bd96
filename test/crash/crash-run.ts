import { createHash } from "node:crypto";
import { join } from "node:path";
import { BrokerProcess } from "./broker-process.js";
import { HistoryFile } from "./history.js";
import { Host } from "./host.js";
import { judge, type Judged } from "./judge.js";
import { killShare, Nemesis, type Fault } from "./nemesis.js";
import { Progress } from "./progress.js";
import { Random } from "./random.js";
import { Wire } from "./wire.js";
import { buildWorker, WorkerProcess } from "./worker-process.js";

export interface CrashOptions {
  /** Of the faults and of what is sent. The machine's timing is not seeded: a run is like another, not the same. */
  readonly seed: string;
  /** The run goes on until the broker was killed so often, and so many messages were accepted. */
  readonly brokerKills: number;
  readonly messages: number;
  /** Processes of light adapters, and how many peers each of them has. */
  readonly workers: number;
  readonly peersPerWorker: number;
  /** Real adapters. */
  readonly hosts: number;
  /** Between two messages of one of a peer's two lanes, on average. */
  readonly pauseMs: number;
  /** Ends the harm before its time; what was done is drained and judged all the same. */
  readonly signal: AbortSignal;
  /** Hears now and then how far it is. */
  readonly report: (line: string) => void;
}

export interface Outcome extends Judged {
  readonly peers: number;
  readonly brokerKills: number;
  readonly strikes: ReadonlyMap<Fault, number>;
}

/**
 * Peers send to one another while the nemesis strikes.
 *
 * 1. Start a broker, light adapters in a few processes, and real adapters with their hosts.
 * 2. Strike until it is enough.
 * 3. Drain: nothing new is sent, what is open is read and confirmed.
 * 4. Judge the history together with what the broker has stored.
 */
export function runCrash(options: CrashOptions): Promise<Outcome> {
  return judge(options, harm);
}

async function harm(root: string, history: string, options: CrashOptions) {
  const { seed, report } = options;
  const home = join(root, "home");
  const socket = join(home, "broker.sock");
  const wirePath = join(root, "wire.sock");
  const progress = new Progress();
  const random = new Random(`${seed} nemesis`);
  await using broker = new BrokerProcess(home);
  await broker.pid();
  await using wire = await Wire.open(wirePath, socket);

  const names = nameAll(options);
  const program = await buildWorker(root);
  const workers = names.workers.map(({ lineage, names: ownNames }) => {
    // Every second peer goes over the wire that can be cut, and every second host over one of its own.
    const peers = ownNames.map((name, index) => ({
      name,
      secret: digest(`${seed} secret ${name}`),
      addresses: [`unix:${index % 2 === 0 ? wirePath : socket}`],
    }));
    const { everyone } = names;
    const task = { seed, folder: history, lineage, peers, everyone, pauseMs: options.pauseMs };
    return new WorkerProcess(program, task, progress);
  });
  const hostWires = await Promise.all(
    names.hosts.map(async (name, index) =>
      index % 2 === 0 ? Wire.open(join(root, `${name}.sock`), socket) : undefined,
    ),
  );
  const histories = names.hosts.map((name) => new HistoryFile(history, name, 1));
  const hosts = names.hosts.map(
    (name, index) =>
      new Host({
        name,
        everyone: names.everyone,
        home,
        conversationId: digest(`${seed} conversation ${name}`),
        wire: hostWires[index],
        record: (operation) => histories[index]?.record(operation),
        random: new Random(`${seed} ${name}`),
        progress,
      }),
  );
  const adapters = [...workers, ...hosts];
  try {
    const calmMessages = Math.ceil((options.messages / options.brokerKills) * killShare);
    const wires = [wire, ...hostWires.flatMap((hostWire) => hostWire ?? [])];
    const nemesis = new Nemesis({ broker, adapters, wires, progress, random, calmMessages });
    await progress.more(1);
    const isEnough = (): boolean =>
      nemesis.brokerKills >= options.brokerKills && progress.accepted >= options.messages;
    while (!isEnough() && !options.signal.aborted) {
      await nemesis.strike();
      report(`${nemesis.brokerKills} broker kills, ${progress.accepted} messages accepted`);
    }
    await progress.unlessBroken(Promise.all(adapters.map((adapter) => adapter.drain())));
    const stored = await broker.settle();
    const { brokerKills, strikes } = nemesis;
    return { stored, peers: names.everyone.length, brokerKills, strikes };
  } finally {
    await Promise.all(adapters.map((adapter) => adapter[Symbol.asyncDispose]()));
    await Promise.all(hostWires.map(async (hostWire) => hostWire?.[Symbol.asyncDispose]()));
    for (const file of histories) file[Symbol.dispose]();
  }
}

function nameAll(options: CrashOptions) {
  const workers = Array.from({ length: options.workers }, (_, worker) => ({
    lineage: `worker${worker}`,
    names: Array.from({ length: options.peersPerWorker }, (_, peer) => `p${worker}.${peer}`),
  }));
  const hosts = Array.from({ length: options.hosts }, (_, host) => `host${host}`);
  return { workers, hosts, everyone: [...workers.flatMap(({ names }) => names), ...hosts] };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
