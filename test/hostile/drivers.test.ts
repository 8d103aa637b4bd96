import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cannotRead } from "../support/process-reading.js";
import { type BrokerHome, startBrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";
import { buildDriver, type Outcomes } from "./driver-process.js";
import { Drivers } from "./drivers.js";
import { targetNames } from "./hostile-text.js";
import { maxDriverKiB } from "./limits.js";

let home: BrokerHome;
let program: string;

beforeAll(async () => {
  home = await startBrokerHome();
  program = await buildDriver(home.path);
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

test("a driver that has fired its share is replaced", async () => {
  await using drivers = driversOf(200);
  const pids = new Set<number>();
  let fired = 0;
  await drivers.fire(500, (outcomes) => {
    fired += sum(outcomes);
    pids.add(drivers.pid ?? NaN);
  });
  expect(fired).toBe(500);
  expect([drivers.started, pids.size]).toEqual([3, 3]);
  expect([...pids].map((pid) => isAlive(pid))).toEqual([false, false, true]);
  expect(drivers.deaths).toEqual([]);
});

test("what a driver that aborted had left is fired by the next, and its death is told", async () => {
  await using drivers = driversOf(5000);
  let fired = 0;
  await drivers.fire(500, (outcomes) => {
    if (fired === 0) process.kill(drivers.pid ?? NaN, "SIGABRT");
    fired += sum(outcomes);
  });
  expect(fired).toBe(500);
  expect(drivers.started).toBe(2);
  expect(drivers.deaths).toEqual([expect.stringContaining("SIGABRT")]);
});

test.skipIf(cannotRead !== undefined)("a driver cannot take all memory there is", async () => {
  await using drivers = driversOf(5000);
  let limits = "";
  await drivers.fire(100, () => {
    limits = readFileSync(`/proc/${drivers.pid}/limits`, "utf8");
  });
  expect(limits).toMatch(new RegExp(`^Max address space +${maxDriverKiB * 1024} `, "m"));
});

test("a driver that fails without a signal fails the run", async () => {
  await using drivers = driversOf(5000, "/nowhere");
  await expect(drivers.fire(10, () => undefined)).rejects.toThrow("exit code 1");
  expect(drivers.started).toBe(1);
});

test("a driver that fires when the run ends is ended too, and no other begins", async () => {
  const drivers = driversOf(5000);
  let running = NaN;
  const firing = drivers.fire(5000, () => {
    running = drivers.pid ?? NaN;
    void drivers[Symbol.asyncDispose]();
  });
  await expect(firing).rejects.toThrow("stopped");
  expect(isAlive(running)).toBe(false);
  expect(drivers.started).toBe(1);
});

function driversOf(inputsEach: number, path = home.path): Drivers {
  const targets = targetNames.map((name) => ({ name, secret: newSecret() }));
  return new Drivers(
    program,
    { home: path, socket: home.socket, targets, seed: 20261122 },
    inputsEach,
  );
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function sum(outcomes: Outcomes): number {
  return Object.values(outcomes).reduce((total, count) => total + count, 0);
}
