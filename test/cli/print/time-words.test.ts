import { expect, test } from "vitest";
import { clockTime, relativeTime, span } from "../../../src/cli/print/time-words.js";

const noonMs = new Date(2026, 10, 22, 12, 3, 5).getTime();

test("today needs no date", () => {
  expect(clockTime(noonMs, noonMs + 3_600_000)).toBe("12:03:05");
});

test("any other day has its date", () => {
  expect(clockTime(noonMs, noonMs + 24 * 3_600_000)).toBe("2026-11-22 12:03:05");
  expect(clockTime(new Date(2025, 0, 2, 3, 4, 5).getTime(), noonMs)).toBe("2025-01-02 03:04:05");
});

test("a moment is told in its largest whole unit", () => {
  const nowMs = 10 * 86_400_000;
  expect(relativeTime(nowMs - 999, nowMs)).toBe("now");
  expect(relativeTime(nowMs - 59_999, nowMs)).toBe("59 s ago");
  expect(relativeTime(nowMs - 60_000, nowMs)).toBe("1 min ago");
  expect(relativeTime(nowMs - 2 * 3_600_000, nowMs)).toBe("2 h ago");
  expect(relativeTime(nowMs - 3 * 86_400_000, nowMs)).toBe("3 d ago");
});

test("a clock that runs ahead shows as now", () => {
  expect(relativeTime(5000, 1000)).toBe("now");
});

test("a span below a second is none", () => {
  expect(span(20)).toBe("0 s");
});
