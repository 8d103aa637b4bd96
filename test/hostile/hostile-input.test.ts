import { afterAll, beforeAll, expect, test } from "vitest";
import { sleep } from "../../src/clock.js";
import { type BrokerHome, startBrokerHome } from "../support/program.js";
import { cannotRead, type ProcessReading, readProcess } from "../support/process-reading.js";
import { eventually } from "../support/test-broker.js";
import { AdapterUnderFire } from "./adapter-under-fire.js";
import { Barrage } from "./barrage.js";
import { Chance } from "./chance.js";
import {
  connectionShare,
  longRun,
  maxLingerMs,
  maxGrowth,
  maxMoreDescriptors,
  parts,
  roomMiB,
  witnessIntervalMs,
} from "./limits.js";
import { defectsIn, Witness } from "./witness.js";

/** The long form, `npm run hostile`, asks for a million and more. */
const inputs = Number(process.env["HOSTILE_INPUTS"] ?? 15_000);
const seed = Number(process.env["HOSTILE_SEED"] ?? Date.now() % 2 ** 32);

let home: BrokerHome;
let witness: Witness;
let adapter: AdapterUnderFire;
let brokerPid: number;

beforeAll(async () => {
  home = await startBrokerHome();
  witness = await Witness.join(home.socket);
  adapter = await AdapterUnderFire.start(home.environment);
  brokerPid = (await witness.client.getServerInfo({})).pid;
});
afterAll(async () => {
  witness[Symbol.dispose]();
  await adapter[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

test.skipIf(cannotRead !== undefined)(
  `${inputs} hostile calls, connections and lines: no process ends or grows, and no peer notices`,
  async () => {
    const barrage = new Barrage(home, adapter, new Chance(seed));
    const before = readBoth();
    const readings = [before];
    const witnessing = new AbortController();
    const witnessed = keepWitnessing(witnessing.signal);
    console.log(`HOSTILE_SEED=${seed}; before: ${show(before)}`);
    for (let part = 1; part <= parts; part++) {
      await Promise.race([barrage.fire(Math.ceil(inputs / parts)), witnessed]);
      const isCompared = part === parts / 2 || part === parts;
      if (isCompared && inputs >= longRun) {
        await eventually(() => expectClosed(before), maxLingerMs);
      }
      const reading = readBoth();
      readings.push(reading);
      console.log(`after ${barrage.total}: ${show(reading)}`);
    }
    witnessing.abort();
    await witnessed;

    console.log(barrage.describe());
    const { answer, send } = witness.slowestMs;
    console.log(
      `the witness waited ${answer.toFixed(0)} ms at most, ${send.toFixed(0)} ms for a send`,
    );
    await witness.expectAllKept();
    await adapter.expectWell();
    expect(await defectsIn(home.path)).toEqual([]);
    const middle = readings[parts / 2] ?? before;
    const end = readings[parts] ?? before;
    expectNoGrowth(middle.broker, end.broker);
    expectNoGrowth(middle.adapter, end.adapter);
  },
  60_000 + inputs * 10,
);

async function keepWitnessing(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await witness.send();
    await sleep(witnessIntervalMs, signal).catch(() => undefined);
  }
}

function expectClosed(before: Readings): void {
  const more = readBoth().broker.descriptors - before.broker.descriptors;
  expect(more, "connections left open").toBeLessThanOrEqual(maxMoreDescriptors);
}

interface Readings {
  readonly broker: ProcessReading;
  readonly adapter: ProcessReading;
}

function readBoth(): Readings {
  return { broker: readProcess(brokerPid), adapter: readProcess(adapter.pid) };
}

function expectNoGrowth(middle: ProcessReading, end: ProcessReading): void {
  expect(end.rssMiB).toBeLessThan(Math.max(roomMiB, middle.rssMiB * (1 + maxGrowth)));
  const lingering = inputs >= longRun ? 0 : inputs * connectionShare;
  expect(end.descriptors - middle.descriptors).toBeLessThanOrEqual(maxMoreDescriptors + lingering);
}

function show({ broker, adapter }: Readings): string {
  const [brokerReading, adapterReading] = [broker, adapter].map(
    ({ rssMiB, descriptors }) => `${rssMiB.toFixed(0)} MiB, ${descriptors} descriptors`,
  );
  return `broker ${brokerReading}; adapter ${adapterReading}`;
}
