import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { ConfirmedBy, ReceiptSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import {
  clockTime,
  count,
  receiptPhrase,
  relativeTime,
  span,
} from "../../../src/cli/print/words.js";

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

const nowMs = new Date(2026, 10, 22, 12, 3, 5).getTime();
const queuedTime = timestampFromMs(nowMs - 60_000);
const now = timestampFromMs(nowMs);

test("a receipt tells its highest rung and when it got there", () => {
  const presented = create(ReceiptSchema, {
    state: ReceiptState.PRESENTED,
    queuedTime,
    presentedTime: now,
  });
  expect(receiptPhrase(presented, nowMs)).toBe("presented 12:03:05");
  const queued = create(ReceiptSchema, { state: ReceiptState.QUEUED, queuedTime });
  expect(receiptPhrase(queued, nowMs)).toBe("queued 12:02:05");
});

test("a confirmation names its evidence", () => {
  const receipt = create(ReceiptSchema, {
    state: ReceiptState.CONFIRMED,
    confirmedTime: now,
    confirmedBy: ConfirmedBy.NEXT_CALL,
  });
  expect(receiptPhrase(receipt, nowMs)).toBe("confirmed 12:03:05 (it went on)");
});

test("a dead letter tells its attempts and its reason, without control characters", () => {
  const receipt = create(ReceiptSchema, {
    state: ReceiptState.DEAD_LETTERED,
    endedTime: now,
    attempts: 5,
    reason: "gave\nup\u001B[2J",
  });
  expect(receiptPhrase(receipt, nowMs)).toBe(
    "given up 12:03:05 after 5 failed attempts because gave up",
  );
});

test("a state that is unknown here does not break the line", () => {
  const receipt = create(ReceiptSchema, { state: 99 as ReceiptState });
  expect(receiptPhrase(receipt, nowMs)).toBe("of unknown state");
});

test("one is singular", () => {
  expect([0, 1, 2].map((number) => count(number, "message"))).toEqual([
    "0 messages",
    "1 message",
    "2 messages",
  ]);
});
