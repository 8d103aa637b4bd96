import { afterAll, beforeAll, expect, test } from "vitest";
import { sleep } from "../../src/clock.js";
import { type BrokerHome, startBrokerHome } from "../support/program.js";
import { cannotRead } from "../support/process-reading.js";
import { eventually } from "../support/test-broker.js";
import { AdapterUnderFire } from "./adapter-under-fire.js";
import { Barrage } from "./barrage.js";
import { buildDriver } from "./driver-process.js";
import {
  connectionShare,
  longRun,
  maxLingerMs,
  maxMoreDescriptors,
  parts,
  warmUpParts,
  witnessIntervalMs,
} from "./limits.js";
import { Readings } from "./readings.js";
import { defectsIn, Witness } from "./witness.js";

/** The long form, `npm run hostile`, asks for a million and more. */
const inputs = Number(process.env["HOSTILE_INPUTS"] ?? 15_000);
const seed = Number(process.env["HOSTILE_SEED"] ?? Date.now() % 2 ** 32);

let home: BrokerHome;
let witness: Witness;
let adapter: AdapterUnderFire;
let brokerPid: number;
let driverProgram: string;

beforeAll(async () => {
  home = await startBrokerHome();
  witness = await Witness.join(home.socket);
  adapter = await AdapterUnderFire.start(home.environment);
  brokerPid = (await witness.client.getServerInfo({})).pid;
  driverProgram = await buildDriver(home.path);
});
afterAll(async () => {
  witness[Symbol.dispose]();
  await adapter[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

test.skipIf(cannotRead !== undefined)(
  `${inputs} hostile calls, connections and lines: no process ends or grows, and no peer notices`,
  async () => {
    await using barrage = new Barrage(home, adapter, driverProgram, seed);
    const readings = new Readings({ broker: brokerPid, adapter: adapter.pid, test: process.pid });
    const witnessing = new AbortController();
    const witnessed = keepWitnessing(witnessing.signal);
    console.log(`HOSTILE_SEED=${seed}`);
    readings.take(0);
    try {
      for (let part = 1; part <= parts; part++) {
        await Promise.race([barrage.fire(Math.ceil(inputs / parts)), witnessed]);
        const isCompared = part === warmUpParts || part === parts / 2 || part === parts;
        if (isCompared && inputs >= longRun) {
          await eventually(() => expectClosed(readings), maxLingerMs);
        }
        readings.take(barrage.total);
      }
    } finally {
      console.log(`${readings.table()}\n${barrage.describe()}`);
    }
    witnessing.abort();
    await witnessed;

    const { answer, send } = witness.slowestMs;
    console.log(
      `the witness waited ${answer.toFixed(0)} ms at most, ${send.toFixed(0)} ms for a send`,
    );
    await witness.expectAllKept();
    await adapter.expectWell();
    expect(await defectsIn(home.path)).toEqual([]);
    readings.expectNoGrowth("broker", inputs >= longRun ? 0 : inputs * connectionShare);
    readings.expectNoGrowth("adapter", 0);
  },
  60_000 + inputs * 10,
);

async function keepWitnessing(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await witness.send();
    await sleep(witnessIntervalMs, signal).catch(() => undefined);
  }
}

function expectClosed(readings: Readings<"broker">): void {
  const more = readings.moreDescriptors("broker");
  expect(more, "connections left open").toBeLessThanOrEqual(maxMoreDescriptors);
}
