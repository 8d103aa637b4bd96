import { expect, test } from "vitest";
import { relativeTime, span } from "../../../src/cli/print/relative-time.js";

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
