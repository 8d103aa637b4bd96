import { describe, expect, test } from "vitest";
import { percentile, ratios, spread, summarise } from "./statistics.js";

const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

describe("percentiles", () => {
  test("are values that were measured, by nearest rank", () => {
    expect([0, 1, 50, 99, 99.9, 100].map((percent) => percentile(hundred, percent))).toEqual([
      1, 1, 50, 99, 100, 100,
    ]);
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([1, 2, 3], 50)).toBe(2);
  });

  test("leave the values in their order", () => {
    const values = [3, 1, 2];
    percentile(values, 50);
    expect(values).toEqual([3, 1, 2]);
  });

  test("of nothing are refused", () => {
    expect(() => percentile([], 50)).toThrow("nothing");
  });

  test("are summed up with the largest and the count", () => {
    expect(summarise(hundred)).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 100 });
  });
});

test("a spread is the median between the least and the largest", () => {
  expect(spread([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
  expect(spread([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 });
});

describe("ratios", () => {
  test("divide each round by the same round of the other", () => {
    const ours = [[2, 2, 2], [30, 10, 20], [5]];
    const floor = [[1], [10, 5, 8]];
    expect(ratios(ours, floor, "p50")).toEqual([2, 2.5]);
    expect(ratios(ours, floor, "p99")).toEqual([2, 3]);
  });
});
