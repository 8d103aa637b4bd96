import { expect, test } from "vitest";
import { maxSendBurst, sendsPerSecond } from "../../src/broker/limits.js";
import { textOf } from "./agent.js";
import { TestHome } from "./test-home.js";

test("by the tools alone an agent sends no more than a burst, also in calls at once", async () => {
  await using home = await TestHome.open();
  const [noisy] = await home.startAll("noisy", "api", "web");
  const startMs = performance.now();
  const calls = Array.from({ length: 450 }, (_, index) =>
    noisy.call("send_message", { to: ["api", "web"], message: `storm ${index}` }),
  );
  const results = await Promise.all(calls);
  const seconds = (performance.now() - startMs) / 1000;
  const refused = results.filter(({ isError }) => isError);
  const stored = 2 * (results.length - refused.length);
  expect(stored).toBeGreaterThanOrEqual(maxSendBurst);
  expect(stored).toBeLessThanOrEqual(maxSendBurst + Math.ceil(seconds * sendsPerSecond));
  for (const result of refused) expect(textOf(result)).toMatch(/in a burst.*try again in \d+ s/);
});
