import { expect, test } from "vitest";
import { readSeconds } from "../../src/mcp/words.js";

test.each([
  [90, 90],
  ["90", 90],
  ["90s", 90],
  ["10m", 600],
  ["2 h", 7200],
  ["1D", 86_400],
])("%j is %d seconds", (value, seconds) => {
  expect(readSeconds(value)).toBe(seconds);
});

test.each([["soon"], ["-5"], [1.5], ["1w"], [""]])("%j is no duration", (value) => {
  expect(readSeconds(value)).toBeUndefined();
});
