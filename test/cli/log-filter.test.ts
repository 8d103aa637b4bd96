import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Urgency } from "../../gen/peerline/v1/message_pb.js";
import {
  isFiltered,
  openFilter,
  readPattern,
  readSince,
  type FilterOptions,
} from "../../src/cli/log-filter.js";
import { searchHistory, type Operator } from "../../src/cli/operator.js";
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
    const store = await broker.join({ name: "database" });
    await store.client.updatePeer({ name: "storage" });
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

  test.each<[FilterOptions, string]>([
    [{ peer: "nobody" }, '--peer: no peer is named "nobody": `peerline peers` shows who is there'],
    [{ peer: "opps" }, '--peer: no peer is named "opps": did you mean ops?'],
    [
      { peer: "database" },
      '--peer: no peer is named "database" any more: the one that was is "storage" now',
    ],
    [{ thread: "refactor" }, "--thread: no message is in a thread refactor."],
    [{ thread: "a b" }, "--thread must be of A-Z a-z 0-9 . _ : -"],
  ])("what is not there is told with what may be meant: %j", async (options, told) => {
    await expect(openFilter(operator, options)).rejects.toThrow(told);
  });

  test("a thread that nobody named is meant by a message in it", async () => {
    const { records } = await searchHistory(operator, 1, {});
    const id = records[0]?.message?.messageId ?? "";
    for (const thread of [id, id.slice(-8), `#${id.slice(-8)}`]) {
      const filter = await openFilter(operator, { thread });
      const found = await searchHistory(operator, 10, filter);
      expect(found.records.map(({ message }) => message?.text)).toEqual(["who owns this?"]);
    }
  });

  test("what follows may be in a thread that has not begun", async () => {
    const filter = await openFilter(operator, { thread: "later", follow: true });
    const { records } = await searchHistory(operator, 10, {});
    expect(records.filter(filter.isWanted)).toEqual([]);
    const [record] = records;
    if (record?.message) record.message.threadId = "later";
    expect(record && filter.isWanted(record)).toBe(true);
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
    const since = readSince("10m");
    expect(Date.now() - since).toBeGreaterThanOrEqual(600_000);
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
