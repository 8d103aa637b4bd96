import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { Shutdown } from "../../src/daemon/shutdown.js";

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
