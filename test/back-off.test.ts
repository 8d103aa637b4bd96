import { expect, test } from "vitest";
import { BackOff } from "../src/back-off.js";

test("each wait is up to twice the one before, up to the greatest, and at least half of that", () => {
  for (let run = 0; run < 100; run++) {
    const backOff = new BackOff({ firstMs: 100, maxMs: 350 });
    for (const fullMs of [100, 200, 350, 350]) {
      const ms = backOff.nextMs();
      expect(ms).toBeGreaterThanOrEqual(fullMs / 2);
      expect(ms).toBeLessThanOrEqual(fullMs);
    }
    backOff.reset();
    expect(backOff.nextMs()).toBeLessThanOrEqual(100);
  }
});

test("what whoever refused asked for is waited, and at most twice as long", () => {
  for (let run = 0; run < 100; run++) {
    const ms = new BackOff({ firstMs: 100, maxMs: 350 }).nextMs(1_000);
    expect(ms).toBeGreaterThanOrEqual(1_000);
    expect(ms).toBeLessThanOrEqual(2_000);
  }
});
