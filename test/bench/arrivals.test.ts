import { expect, test } from "vitest";
import { Arrivals } from "./arrivals.js";

test("counts what came after the mark and before it was asked for", async () => {
  const arrivals = new Arrivals();
  arrivals.seen();
  arrivals.mark();
  arrivals.seen();
  const met = arrivals.expect(2, "seen");
  arrivals.confirmed(5);
  expect(await isSettled(met)).toBe(false);
  arrivals.seen();
  await met;
});

test("hears of a receiver that fails, before and after it is asked", async () => {
  const arrivals = new Arrivals();
  const waits = arrivals.expect(1, "confirmed");
  arrivals.failed(new Error("the stream ended"));
  await expect(waits).rejects.toThrow("the stream ended");
  await expect(arrivals.expect(1, "seen")).rejects.toThrow("the stream ended");
});

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}
