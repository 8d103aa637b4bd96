import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import { searchHistory } from "../../src/cli/history.js";
import { isFiltered, openFilter, readPattern, readSince } from "../../src/cli/log-filter.js";
import type { FilterOptions } from "../../src/cli/log-filter.js";
import type { Operator } from "../../src/cli/operator.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { operatorToken, startTestBroker, type TestBroker } from "../support/test-broker.js";

describe("the messages that log is asked for", () => {
  const clock = new StoppedClock();
  let broker: TestBroker;
  let operator: Operator;
  let beforeLast: number;
  let opsId: string;

  beforeAll(async () => {
    broker = await startTestBroker({ clock });
    operator = { client: broker.client(operatorToken) } as Operator;
    const [api, web, ops] = [
      await broker.join({ name: "api" }),
      await broker.join({ name: "web" }),
      await broker.join({ name: "ops" }),
    ];
    opsId = ops.registered.peer?.peerId ?? "";
    const ask = await api.client.sendMessage({ to: ["web"], text: "Which TYPE?", threadId: "t" });
    await web.client.sendMessage({ to: ["api"], text: "uuid", inReplyTo: ask.messageId });
    await ops.client.sendMessage({ to: ["web"], text: "deployed", urgency: Urgency.FYI });
    clock.setForward(60_000);
    beforeLast = clock.now();
    const data = { file: "types.ts" };
    await ops.client.sendMessage({ to: ["api", "web"], text: "who owns this?", data });
  });
  afterAll(() => broker[Symbol.asyncDispose]());

  test.each<[string, () => FilterOptions, string[]]>([
    ["all", () => ({}), ["Which TYPE?", "uuid", "deployed", "who owns this?"]],
    ["by peer", () => ({ peer: "API" }), ["Which TYPE?", "uuid", "who owns this?"]],
    ["by the peer's id", () => ({ peer: opsId }), ["deployed", "who owns this?"]],
    ["by thread", () => ({ thread: "t" }), ["Which TYPE?", "uuid"]],
    ["by time", () => ({ since: beforeLast }), ["who owns this?"]],
    ["unanswered", () => ({ unanswered: true }), ["uuid", "who owns this?"]],
    ["by text", () => ({ grep: /type/iu }), ["Which TYPE?", "who owns this?"]],
    [
      "by all together",
      () => ({ peer: "ops", grep: /own/u, unanswered: true }),
      ["who owns this?"],
    ],
    ["none", () => ({ grep: /nobody/u }), []],
  ])("%s", async (_what, options, texts) => {
    const filter = await openFilter(operator, options());
    const { records, isCut } = await searchHistory(operator, 10, filter);
    expect(records.map(({ message }) => message?.text)).toEqual(texts);
    // What comes later is judged alike.
    const all = await searchHistory(operator, 10, {});
    const later = options().since === undefined ? all.records.filter(filter.isWanted) : records;
    expect(later.map(({ message }) => message?.text)).toEqual(texts);
    expect(isCut).toBe(false);
  });

  test("at most as many as asked for, the newest", async () => {
    const filter = await openFilter(operator, { peer: "web" });
    const { records } = await searchHistory(operator, 1, filter);
    expect(records.map(({ message }) => message?.text)).toEqual(["who owns this?"]);
  });

  test("a peer that is not there is told", async () => {
    await expect(openFilter(operator, { peer: "nobody" })).rejects.toThrow(
      "--peer: no peer is nobody",
    );
  });
});

test("a filter is one as soon as one option is given", () => {
  expect([isFiltered({}), isFiltered({ thread: "" }), isFiltered({ since: 0 })]).toEqual([
    false,
    true,
    true,
  ]);
});

describe("--since", () => {
  test("is so long ago, with a unit", () => {
    expect(Date.now() - readSince("10m")).toBeGreaterThanOrEqual(600_000);
    expect(Date.now() - readSince("2h")).toBeLessThan(7_300_000);
  });

  test("is a date or a time of the local clock, never in the future", () => {
    expect(readSince("2026-01-02")).toBe(new Date(2026, 0, 2).getTime());
    expect(readSince("2026-01-02 14:30")).toBe(new Date(2026, 0, 2, 14, 30).getTime());
    for (const time of ["00:00", "23:59"]) {
      expect(readSince(time)).toBeLessThanOrEqual(Date.now());
      expect(Date.now() - readSince(time)).toBeLessThan(25 * 3_600_000);
    }
  });

  test.each(["5", "yesterday", "", "2026-13-99"])("is not %j", (text) => {
    expect(() => readSince(text)).toThrow("--since");
  });
});

test("--grep takes a pattern in any case, and says what is wrong with one", () => {
  expect(readPattern("a|B").test("xb")).toBe(true);
  expect(() => readPattern("(")).toThrow("--grep: ");
});
