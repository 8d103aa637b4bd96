import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock, sleep } from "../../src/clock.js";
import { AdapterAgent } from "./adapter-agent.js";
import { agentNames } from "./chance.js";
import { drawCurves } from "./draw.js";
import { type Curve, curves, levelOf } from "./level.js";
import { agentProcesses, lightAgents, retentionMs, sampleIntervalMs } from "./limits.js";
import { header, type Sample, takeSample, toCsv } from "./sample.js";
import { newTally, sumTallies, type Tally } from "./tally.js";

// A program: `node soak.js [--minutes 30] [--out FOLDER]`. Fifty agents keep a broker busy; what must
// level off is sampled into FOLDER/soak.csv and drawn into FOLDER/soak.svg, by default where this program
// is. Exit code 1: it did not level off.
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    out: { type: "string", default: import.meta.dirname },
  },
});
const program = join(import.meta.dirname, "peerline.js");
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
process.exitCode = await soak(Number(values.minutes) * 60_000, values.out, stop.signal);

async function soak(lengthMs: number, folder: string, signal: AbortSignal): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), "pl-"));
  const load = new AbortController();
  const broker = await startBroker(home);
  const agents = startLightAgents(`unix:${join(home, "broker.sock")}`);
  const tally = newTally();
  const real = agentNames
    .slice(lightAgents)
    .map((name) => new AdapterAgent({ program, home, name, tally }));
  const driving = real.map((adapter) => adapter.run(load.signal));
  try {
    const samples = await sampleFor(lengthMs, folder, signal, () => ({
      home,
      brokerPid: broker.pid ?? 0,
      adapterPid: real[0]?.pid ?? 0,
      tally: sumTallies([tally, ...agents.tallies.values()]),
    }));
    writeFileSync(join(folder, "soak.svg"), drawCurves(samples, describe(samples)));
    return judge(samples);
  } finally {
    load.abort();
    for (const child of agents.tallies.keys()) child.disconnect();
    await Promise.all(driving);
    for (const adapter of real) adapter[Symbol.dispose]();
    broker.kill("SIGTERM");
    await once(broker, "exit");
    await rm(home, { recursive: true, force: true });
  }
}

async function sampleFor(
  lengthMs: number,
  folder: string,
  signal: AbortSignal,
  sources: () => Omit<Parameters<typeof takeSample>[0], "startMs">,
): Promise<Sample[]> {
  const startMs = systemClock.now();
  const path = join(folder, "soak.csv");
  const samples: Sample[] = [];
  while (!signal.aborted && systemClock.now() - startMs < lengthMs) {
    await sleep(sampleIntervalMs, signal).catch(() => undefined);
    const sample = takeSample({ startMs, ...sources() });
    if (samples.length === 0) writeFileSync(path, `${header(sample)}\n`);
    samples.push(sample);
    appendFileSync(path, `${toCsv(sample)}\n`);
  }
  return samples;
}

function judge(samples: readonly Sample[]): number {
  console.log(describe(samples));
  const levels = (Object.keys(curves) as Curve[]).map((curve) => {
    const { middle, last, isLevel } = levelOf(samples, curve);
    const verdict = isLevel ? "level" : "GROWS";
    console.log(`${verdict}  ${curves[curve]}: ${middle.toFixed(1)}, then ${last.toFixed(1)}`);
    return isLevel;
  });
  const failed = samples.at(-1)?.failed ?? 0;
  console.log(`${failed} calls failed`);
  return levels.every(Boolean) && failed === 0 ? 0 : 1;
}

function describe(samples: readonly Sample[]): string {
  const { seconds, accepted } = samples.at(-1) ?? { seconds: 0, accepted: 0 };
  const rate = (accepted / Math.max(1, seconds)).toFixed(0);
  const kept = `kept for ${retentionMs / 60_000} minutes instead of 30 days`;
  return `${agentNames.length} agents, ${Math.round(seconds / 60)} minutes: ${accepted} messages (${rate} a second), ${kept}`;
}

async function startBroker(home: string): Promise<ChildProcess> {
  const broker = spawn(process.execPath, [program, "broker"], {
    env: { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home },
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Its first words say that it listens.
  if (broker.stderr === null) throw new Error("no stderr");
  await once(broker.stderr, "data");
  return broker;
}

function startLightAgents(address: string): { tallies: Map<ChildProcess, Tally> } {
  const tallies = new Map<ChildProcess, Tally>();
  for (let index = 0; index < agentProcesses; index++) {
    const names = agentNames.slice(0, lightAgents).filter((_, at) => at % agentProcesses === index);
    const child = fork(join(import.meta.dirname, "agents.js"), [address, ...names]);
    tallies.set(child, newTally());
    child.on("message", (tally: Tally) => tallies.set(child, tally));
  }
  return { tallies };
}
