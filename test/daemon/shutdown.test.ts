import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Shutdown, StopRequest } from "../../src/daemon/shutdown.js";

test("stops what was started last first, one after the other", async () => {
  const stopped: string[] = [];
  const shutdown = new Shutdown();
  for (const what of ["store", "server", "watch"]) {
    shutdown.add(what, async () => {
      await setImmediate();
      stopped.push(what);
    });
  }
  await shutdown.run();
  expect(stopped).toEqual(["watch", "server", "store"]);
});

test("goes on after a step that fails, and tells all failures at the end", async () => {
  const stopped: string[] = [];
  const shutdown = new Shutdown();
  shutdown.add("store", () => stopped.push("store"));
  shutdown.add("server", () => Promise.reject(new Error("busy")));
  shutdown.add("watch", () => {
    throw new Error("lost");
  });
  const failure = await shutdown.run().catch((error: unknown) => error);
  expect(stopped).toEqual(["store"]);
  expect(failure).toBeInstanceOf(AggregateError);
  expect((failure as AggregateError).errors).toMatchObject([
    { message: expect.stringContaining("watch"), cause: { message: "lost" } },
    { message: expect.stringContaining("server"), cause: { message: "busy" } },
  ]);
});

test("stops each part once", async () => {
  let stops = 0;
  const shutdown = new Shutdown();
  shutdown.add("store", () => stops++);
  await shutdown.run();
  await shutdown.run();
  expect(stops).toBe(1);
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s asks for a stop", async (name) => {
  const { stop, insisted } = newStopRequest();
  process.kill(process.pid, name);
  expect(await stop.asked).toBe(name);
  expect(insisted).toEqual([]);
});

test("a second signal insists", async () => {
  const { stop, insisted } = newStopRequest();
  process.kill(process.pid, "SIGTERM");
  await stop.asked;
  const second = once(process, "SIGINT");
  process.kill(process.pid, "SIGINT");
  await second;
  expect(insisted).toEqual(["SIGINT"]);
});

test("the first to ask is named, and asking again changes nothing", async () => {
  const { stop, insisted } = newStopRequest();
  stop.ask("StopBroker");
  stop.ask("another");
  expect(await stop.asked).toBe("StopBroker");
  expect(insisted).toEqual([]);
});

test("an abort asks for a stop, also one that came before", async () => {
  expect(await newStopRequest(AbortSignal.abort()).stop.asked).toBe("an abort");
  const controller = new AbortController();
  const { stop } = newStopRequest(controller.signal);
  controller.abort();
  expect(await stop.asked).toBe("an abort");
});

test("leaves no listener behind", () => {
  const before = process.listenerCount("SIGTERM");
  const stop = new StopRequest({ abort: undefined, insist: () => {} });
  expect(process.listenerCount("SIGTERM")).toBe(before + 1);
  stop[Symbol.dispose]();
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

function newStopRequest(abort?: AbortSignal): { stop: StopRequest; insisted: string[] } {
  const insisted: string[] = [];
  const stop = new StopRequest({ abort, insist: (by) => insisted.push(by) });
  onTestFinished(() => stop[Symbol.dispose]());
  return { stop, insisted };
}
