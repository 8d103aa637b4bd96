import { describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import {
  maxWaitingRegistrations,
  maxWaitingRegistrationsOfConnection,
} from "../../src/broker/limits.js";
import { BrokerError } from "../../src/broker/broker-error.js";
import { Turns } from "../../src/broker/peers/turns.js";
import type { Connection } from "../../src/rpc/server.js";
import { deferred } from "../rpc/deferred.js";

function connect(): Connection {
  return { closed: new AbortController().signal };
}

/** Turns of which the first is under way until `release`, and what was done in them, in order. */
function busyTurns() {
  const turns = new Turns();
  const { promise, resolve: release } = deferred();
  void turns.run(() => promise);
  const done: string[] = [];
  const run = (
    name: string,
    connection: Connection,
    signal = new AbortController().signal,
    cost?: number,
  ) => turns.run(async () => void done.push(name), { connection, signal }, cost);
  return { run, done, release };
}

describe("turns", () => {
  test("come one after the other, also after one that failed", async () => {
    const turns = new Turns();
    const steps: string[] = [];
    const work = async (name: string): Promise<string> => {
      steps.push(`${name} begins`);
      await Promise.resolve();
      steps.push(`${name} ends`);
      if (name === "a") throw new Error("a failed");
      return name;
    };
    const [first, second] = [turns.run(() => work("a")), turns.run(() => work("b"))];
    await expect(first).rejects.toThrow("a failed");
    expect(await second).toBe("b");
    expect(steps).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  test("go to whoever had none the longest, however many another asks for", async () => {
    const { run, done, release } = busyTurns();
    const [greedy, modest, late] = [connect(), connect(), connect()];
    const waiting = ["g1", "g2", "g3", "g4"].map((name) => run(name, greedy));
    waiting.push(run("m1", modest), run("m2", modest), run("l1", late));
    release();
    await Promise.all(waiting);
    expect(done).toEqual(["g1", "m1", "l1", "g2", "m2", "g3", "g4"]);
    // Who had one is behind who had none.
    await Promise.all([run("g5", greedy), run("n1", connect()), run("l2", late)]);
    expect(done.slice(-3)).toEqual(["g5", "n1", "l2"]);
  });

  test("go to what costs little, however many connections ask for what costs much", async () => {
    const { run, done, release } = busyTurns();
    const crowd = Array.from({ length: 300 }, connect);
    const waiting = crowd.flatMap((connection) => [
      run("dear", connection, undefined, 17),
      run("dear", connection, undefined, 17),
    ]);
    const [honest, again] = [connect(), connect()];
    waiting.push(run("cheap", honest), run("cheap", again), run("also dear", again, undefined, 17));
    release();
    await Promise.all(waiting);
    expect(done.slice(0, 2)).toEqual(["cheap", "cheap"]);
    // What costs as much as that of the crowd has its turn before the second round of that begins.
    expect(done.indexOf("also dear")).toBe(302);
  });

  test.each([
    { cost: 1 + 1 / 256, withinTurns: 5 },
    { cost: 2, withinTurns: 8 },
    { cost: 17, withinTurns: 60 },
  ])(
    "come to what costs $cost, however many new connections come all the time",
    async ({ cost, withinTurns }) => {
      const { run, done, release } = busyTurns();
      const served = run("victim", connect(), undefined, cost);
      // Two wait at any time, and each turn brings a new connection.
      const ask = async (): Promise<void> => {
        while (!done.includes("victim") && done.length < 1000) await run("new", connect());
      };
      const crowd = [ask(), ask()];
      release();
      await Promise.all([served, ...crowd]);
      expect(done.indexOf("victim")).toBeLessThan(withinTurns);
    },
  );

  test("come soon to what costs little, also where dear work is under way and more of it comes", async () => {
    const { run, done, release } = busyTurns();
    const dear = async (): Promise<void> => {
      while (!done.includes("cheap") && done.length < 1000)
        await run("dear", connect(), undefined, 17);
    };
    const crowd = Array.from({ length: 100 }, dear);
    let cheap: Promise<void> | undefined;
    let before = 0;
    const late = run("trigger", connect(), undefined, 17).then(() => {
      before = done.length;
      cheap = run("cheap", connect());
    });
    release();
    await Promise.all([late, ...crowd]);
    await cheap;
    expect(done.indexOf("cheap") - before).toBeLessThan(15);
  });

  test("are waited for by so many of one connection, and the rest is told when to come back", async () => {
    const { run, release } = busyTurns();
    const greedy = connect();
    const waiting = Array.from({ length: maxWaitingRegistrationsOfConnection }, (_, index) =>
      run(`${index}`, greedy),
    );
    const refused = await run("one more", greedy).catch((error: unknown) => error);
    if (!(refused instanceof BrokerError)) throw refused;
    expect(refused.findDetail(RetryInfoSchema)?.retryDelay?.seconds).toBe(1n);
    release();
    await Promise.all(waiting);
  });

  test("are given up by whoever waits for the most, where all places are taken", async () => {
    const { run, done, release } = busyTurns();
    const crowd = Array.from({ length: maxWaitingRegistrations / 2 }, connect);
    const outcomes = crowd.flatMap((connection, index) => [
      run(`${index}a`, connection),
      run(`${index}b`, connection),
    ]);
    const settled = Promise.allSettled(outcomes);
    const honest = run("honest", connect());
    release();
    await honest;
    const refused = (await settled).filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(1);
    expect(done.indexOf("honest")).toBe(crowd.length);
  });

  test("are refused to a newcomer only where each that waits has no more than it", async () => {
    const { run, done, release } = busyTurns();
    const crowd = Array.from({ length: maxWaitingRegistrations }, connect);
    const waiting = crowd.map((connection, index) => run(`${index}`, connection));
    await expect(run("one more", connect())).rejects.toThrow("try again in 1 s");
    release();
    await Promise.all(waiting);
    expect(done).toHaveLength(maxWaitingRegistrations);
  });

  test("are given up at once by who waits no more", async () => {
    const { run, done, release } = busyTurns();
    const greedy = connect();
    const places = { length: maxWaitingRegistrationsOfConnection };
    const leaving = Array.from(places, () => new AbortController());
    const left = leaving.map(({ signal }) => run("left", greedy, signal));
    const settled = Promise.allSettled(left);
    for (const controller of leaving) controller.abort(new Error("gone"));
    const stayed = run("stayed", greedy);
    release();
    await stayed;
    expect((await settled).every(({ status }) => status === "rejected")).toBe(true);
    expect(done).toEqual(["stayed"]);
    await expect(run("late", greedy, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
  });
});
