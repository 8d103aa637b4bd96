import { createHash } from "node:crypto";
import { operatorToken } from "../support/test-broker.js";
import { startNatsCluster } from "../support/nats-cluster.js";
import { settleStored } from "./broker-process.js";
import { ClusterNemesis, type ClusterFault } from "./cluster-nemesis.js";
import { buildGateway, GatewayProcess } from "./gateway-process.js";
import { GatewayProbe } from "./gateway-probe.js";
import { HistoryFile } from "./history.js";
import { judge, type Judged } from "./judge.js";
import { Outages } from "./outages.js";
import { Progress } from "./progress.js";
import { Random } from "./random.js";
import { buildWorker, WorkerProcess } from "./worker-process.js";

export interface ClusterOptions {
  /** Of the faults and of what is sent. The machine's timing is not seeded: a run is like another, not the same. */
  readonly seed: string;
  /** The run goes on until so many faults have struck, and so many messages were accepted. */
  readonly strikes: number;
  readonly messages: number;
  /** Processes of light adapters, and how many peers each of them has. */
  readonly workers: number;
  readonly peersPerWorker: number;
  /** Between two messages of one of a peer's two lanes, on average. */
  readonly pauseMs: number;
  /** Ends the harm before its time; what was done is drained and judged all the same. */
  readonly signal: AbortSignal;
  /** Hears after each fault how far it is. */
  readonly report: (line: string) => void;
}

export interface ClusterOutcome extends Judged {
  readonly peers: number;
  readonly strikes: ReadonlyMap<ClusterFault, number>;
  readonly outages: Outages;
}

/**
 * Peers send to one another over two gateways and three servers of NATS, while the nemesis strikes.
 *
 * 1. Start the servers, the gateways, and light adapters in a few processes. Each knows both gateways.
 * 2. Strike until it is enough. Probes, one at each gateway, tell when it accepts again.
 * 3. Drain: nothing new is sent, what is open is read and confirmed.
 * 4. Judge the history together with what a gateway tells of the store.
 */
export function runCluster(options: ClusterOptions): Promise<ClusterOutcome> {
  return judge(options, harm);
}

async function harm(root: string, history: string, options: ClusterOptions) {
  const { seed, report } = options;
  const progress = new Progress();
  const random = new Random(`${seed} nemesis`);
  await using stack = new Stack();
  // Nobody learns of a server but by the links that can be cut.
  const config = 'client_advertise: "127.0.0.1:1"';
  const cluster = stack.use(await startNatsCluster({ config }));
  const ports = cluster.members.map(({ port }) => port);
  const [gatewayProgram, workerProgram] = await Promise.all([
    buildGateway(root),
    buildWorker(root),
  ]);
  const startGateway = (name: string): Promise<GatewayProcess> =>
    GatewayProcess.start({
      program: gatewayProgram,
      folder: root,
      name,
      operatorToken,
      ports,
      progress,
    });
  const gateways = [
    stack.use(await startGateway("gateway1")),
    stack.use(await startGateway("gateway2")),
  ];
  const addresses = gateways.map(({ address }) => address);

  const names = Array.from({ length: options.workers }, (_, worker) =>
    Array.from({ length: options.peersPerWorker }, (__, peer) => `p${worker}.${peer}`),
  );
  const everyone = names.flat();
  const clients = names.map((ownNames, worker) => {
    const peers = ownNames.map((name) => ({
      name,
      secret: digest(`${seed} secret ${name}`),
      addresses,
    }));
    const { pauseMs } = options;
    const lineage = `worker${worker}`;
    const task = { seed, folder: history, lineage, peers, everyone, pauseMs };
    return stack.use(new WorkerProcess(workerProgram, task, progress));
  });
  const file = stack.use(new HistoryFile(history, "probes", 1));
  const probes = gateways.map(({ name, address }) =>
    stack.use(new GatewayProbe({ name, address, secret: digest(`${seed} ${name}`), file })),
  );
  const outages = new Outages(probes);
  progress.onAccepted(() => outages.accepted());

  const nemesis = new ClusterNemesis({ cluster, gateways, clients, outages, progress, random });
  await progress.more(1);
  const calmMessages = Math.ceil(options.messages / options.strikes);
  let struck = 0;
  while (
    (struck < options.strikes || progress.accepted < options.messages) &&
    !options.signal.aborted
  ) {
    const fault = await nemesis.strike(calmMessages);
    report(`${++struck} faults, ${progress.accepted} messages accepted; the last: ${fault}`);
  }
  await progress.unlessBroken(Promise.all([...clients, ...probes].map((client) => client.drain())));
  const [gateway] = gateways;
  if (gateway === undefined) throw new Error("no gateway");
  const stored = await settleStored((run) => gateway.asOperator(run));
  return { stored, peers: everyone.length, strikes: nemesis.strikes, outages };
}

/** What is to end with the run, the last one first. */
class Stack implements AsyncDisposable {
  readonly #parts: (AsyncDisposable | Disposable)[] = [];

  use<Part extends AsyncDisposable | Disposable>(part: Part): Part {
    this.#parts.push(part);
    return part;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts.toReversed()) {
      if (Symbol.asyncDispose in part) await part[Symbol.asyncDispose]();
      else part[Symbol.dispose]();
    }
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
