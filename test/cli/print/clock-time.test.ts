import { expect, test } from "vitest";
import { clockTime } from "../../../src/cli/print/clock-time.js";

const noonMs = new Date(2026, 10, 22, 12, 3, 5).getTime();

test("today needs no date", () => {
  expect(clockTime(noonMs, noonMs + 3_600_000)).toBe("12:03:05");
});

test("any other day has its date", () => {
  expect(clockTime(noonMs, noonMs + 24 * 3_600_000)).toBe("2026-11-22 12:03:05");
  expect(clockTime(new Date(2025, 0, 2, 3, 4, 5).getTime(), noonMs)).toBe("2025-01-02 03:04:05");
});
