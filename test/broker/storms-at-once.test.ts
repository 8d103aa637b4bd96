import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { RpcError } from "../../src/rpc/error.js";
import { openStore } from "../store/sqlite/open-store.js";
import { temporaryDatabase } from "../store/sqlite/temporary-database.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  reasonIn,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

/*
 * Guards that look before the commit and count after it hold against one call after the other, and not
 * against calls at once. The store is SQLite on a disk, so that calls really wait for their commit.
 */

let clock: StoppedClock;
let broker: TestBroker;
let sender: TestPeer;
let other: TestPeer;

beforeEach(async () => {
  clock = new StoppedClock();
  const store = await openStore(temporaryDatabase());
  broker = await startTestBroker({ clock, store, keepStore: true });
  sender = await broker.join({ name: "sender" });
  other = await broker.join({ name: "other" });
});
afterEach(() => broker[Symbol.asyncDispose]());

interface Sent {
  to: string[];
  text: string;
  inReplyTo?: string;
  messageId?: string;
}

/** Makes all the calls at once; resolves to how many copies were stored, and why calls were refused. */
async function sendAtOnce(
  from: TestPeer,
  requests: readonly Sent[],
): Promise<{ stored: number; refusals: unknown[] }> {
  const answers = await Promise.allSettled(
    requests.map((request) => from.client.sendMessage(request)),
  );
  const results = answers.flatMap((answer) =>
    answer.status === "fulfilled" ? answer.value.results : [],
  );
  const refusals = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason as unknown] : [],
  );
  const stored = results.filter(({ error, duplicate }) => error === undefined && !duplicate);
  return { stored: stored.length, refusals };
}

let texts = 0;

/** No two texts are the same. */
function numbered(count: number, to: string[], more: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, () => ({ to, text: `${(texts += 1)}`, ...more }));
}

function retrySeconds(error: unknown): number {
  const info = error instanceof RpcError ? error.findDetail(RetryInfoSchema) : undefined;
  return Number(info?.retryDelay?.seconds ?? 0);
}

test("calls at once store no more than a burst, each recipient counting", async () => {
  const joined = Array.from({ length: 64 }, (_, index) => broker.join({ name: `r${index}` }));
  const to = (await Promise.all(joined)).map(({ name }) => name);
  const { stored, refusals } = await sendAtOnce(sender, numbered(500, to));
  expect(stored).toBe(64 * Math.floor(600 / 64));
  expect(refusals).toHaveLength(500 - Math.floor(600 / 64));
  for (const refusal of refusals) {
    expect(reasonIn(refusal)).toBe("RATE_LIMITED");
    expect(retrySeconds(refusal)).toBeGreaterThan(0);
  }
});

test("the same words at once reach a peer once, and what was refused costs nothing", async () => {
  const requests = Array.from({ length: 300 }, () => ({ to: ["other"], text: "ping" }));
  const { stored, refusals } = await sendAtOnce(sender, requests);
  expect(stored).toBe(1);
  expect(new Set(refusals.map(reasonIn))).toEqual(new Set(["REPEATED_TEXT"]));
  expect(Math.min(...refusals.map(retrySeconds))).toBeGreaterThan(0);
  expect((await sendAtOnce(sender, numbered(700, ["other"]))).stored).toBe(599);
});

test("what the store already had, or did not take, costs nothing", async () => {
  const messageId = randomUUID();
  const once = { to: ["other"], text: "once", messageId };
  await sender.client.sendMessage(once);
  expect(
    (
      await sendAtOnce(
        sender,
        Array.from({ length: 400 }, () => once),
      )
    ).stored,
  ).toBe(0);
  const reused = numbered(150, ["other"], { messageId });
  const { refusals } = await sendAtOnce(sender, reused);
  expect(new Set(refusals.map(reasonIn))).toEqual(new Set(["MESSAGE_ID_REUSED"]));
  expect((await sendAtOnce(sender, numbered(700, ["other"]))).stored).toBe(599);
});

test("a budget that was used up comes back with time, and not with being forgotten", async () => {
  await sendAtOnce(sender, numbered(700, ["other"]));
  clock.advance(1000);
  expect((await sendAtOnce(sender, numbered(100, ["other"]))).stored).toBe(10);
  clock.advance(30_000);
  // Somebody else's call makes the broker forget what is over.
  await other.client.sendMessage({ to: ["sender"], text: "hello" });
  expect((await sendAtOnce(sender, numbered(700, ["other"]))).stored).toBe(300);
  // A wall clock that is set forward pays nothing.
  clock.setForward(3_600_000);
  expect((await sendAtOnce(sender, numbered(50, ["other"]))).stored).toBe(0);
});

test("answers at once to the last of a chain are one too many, each of them", async () => {
  let inReplyTo = "";
  for (let hop = 0; hop < 13; hop++) {
    const [from, to] = hop % 2 === 0 ? [sender, other] : [other, sender];
    const request = { to: [to.name], text: `${hop}`, inReplyTo };
    inReplyTo = (await from.client.sendMessage(request)).messageId;
  }
  const { stored, refusals } = await sendAtOnce(other, numbered(20, ["sender"], { inReplyTo }));
  expect(stored).toBe(0);
  expect(new Set(refusals.map(reasonIn))).toEqual(new Set(["HOP_LIMIT"]));
});

test("texts at once are bounded in bytes", async () => {
  const text = "x".repeat(16_000);
  const requests = Array.from({ length: 600 }, (_, index) => ({
    to: ["other"],
    text: `${index} ${text}`,
  }));
  const { refusals } = await sendAtOnce(sender, requests);
  const limits = (await sender.client.getServerInfo({})).limits;
  const burst = Number(limits.find(({ name }) => name === "send_burst_bytes")?.maximum);
  expect(600 - refusals.length).toBe(Math.floor(burst / 16_004));
  expect(new Set(refusals.map(reasonIn))).toEqual(new Set(["RATE_LIMITED"]));
  expect(Math.min(...refusals.map(retrySeconds))).toBeGreaterThan(0);
});
