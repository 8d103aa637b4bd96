import { expect, test } from "vitest";
import { maxSendBurst, sendsPerSecond } from "../../src/broker/limits.js";
import { textOf } from "./agent.js";
import { TestHome } from "./test-home.js";

const atOnce = 50;

test("by the tools alone an agent sends no more than a burst, also in calls at once", async () => {
  await using home = await TestHome.open();
  const [noisy] = await home.startAll("noisy", "api", "web");
  const startMs = performance.now();
  const send = (number: number) =>
    noisy.call("send_message", { to: ["api", "web"], message: `storm ${number}` });
  const results = [];
  // More at once would have to wait for each other, and a call waits only so long.
  for (let first = 0; first < 450; first += atOnce) {
    const calls = Array.from({ length: atOnce }, (_, index) => send(first + index));
    results.push(...(await Promise.all(calls)));
  }
  const seconds = (performance.now() - startMs) / 1000;
  const refused = results.filter(({ isError }) => isError);
  const stored = 2 * (results.length - refused.length);
  expect(stored).toBeGreaterThanOrEqual(maxSendBurst);
  expect(stored).toBeLessThanOrEqual(maxSendBurst + Math.ceil(seconds * sendsPerSecond));
  for (const result of refused) expect(textOf(result)).toMatch(/in a burst.*try again in \d+ s/);
});
