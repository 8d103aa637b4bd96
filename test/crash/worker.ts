import { sleep } from "../../src/clock.js";
import { HistoryFile, readHistory } from "./history.js";
import { LightAdapter } from "./light-adapter.js";
import { maxThinkMs } from "./limits.js";
import { Random } from "./random.js";
import { compose, resume, sendUntilAccepted, type Outgoing } from "./sender.js";
import type { FromWorker, Task, ToWorker } from "./worker-process.js";

// A program of the crash run: the process of several light adapters, each of which sends without end
// until it is told to drain. Argument: its task, as JSON. It goes on where the lineage was killed.
const task = JSON.parse(process.argv[2] ?? "") as Task;
const { folder, lineage, incarnation, everyone, pauseMs } = task;
const before = resume(readHistory(folder, lineage));
const { record } = new HistoryFile(folder, lineage, incarnation);
const draining = new AbortController();
let halts = task.halts;
let goOn = (): void => {};

process.on("message", (message: ToWorker) => {
  if (message === "drain") draining.abort();
  else goOn();
});
// The run has ended, or was killed itself.
process.on("disconnect", () => process.exit(0));

await Promise.all(task.peers.map(runPeer));
tell({ drained: true });

async function runPeer(identity: Task["peers"][number]): Promise<void> {
  const { name } = identity;
  const random = new Random(`${task.seed} ${name} ${incarnation}`);
  const thinkMs = (): number => random.between(0, maxThinkMs);
  const manner = { returnPercent: 1, thinkMs, beforeSubscribe };
  const adapter = new LightAdapter({ ...identity, record, random, ...manner });
  const others = everyone.filter((other) => other !== name);
  let number = before.counts.get(name) ?? 0;

  const send = async (message: Outgoing): Promise<void> => {
    await sendUntilAccepted({ peer: name, message, adapter, record });
    tell({ accepted: 1 });
  };
  // Messages of one lane come one after the other, so that their order is known; lanes overlap.
  const runLane = async (): Promise<void> => {
    while (!draining.signal.aborted) {
      const recipients = random.sample(others, random.next() < 0.1 ? 3 : 1);
      await send(compose(name, ++number, recipients));
      await sleep(random.between(0, 2 * pauseMs));
    }
  };
  for (const message of before.open.get(name) ?? []) await send(message);
  await Promise.all([runLane(), runLane()]);
}

async function beforeSubscribe(): Promise<void> {
  if (!halts) return;
  halts = false;
  const told = new Promise<void>((resolve) => (goOn = resolve));
  tell({ halted: true });
  await told;
}

function tell(message: FromWorker): void {
  process.send?.(message);
}
