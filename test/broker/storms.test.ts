import { randomUUID } from "node:crypto";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { RpcError } from "../../src/rpc/error.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  entryReason,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let clock: StoppedClock;
let broker: TestBroker;
let peers: [TestPeer, TestPeer, TestPeer];

beforeEach(async () => {
  clock = new StoppedClock();
  broker = await startTestBroker({ clock });
  peers = [
    await broker.join({ name: "a" }),
    await broker.join({ name: "b" }),
    await broker.join({ name: "c" }),
  ];
});
afterEach(() => broker[Symbol.asyncDispose]());

function retrySeconds(error: unknown): number {
  const info = error instanceof RpcError ? error.findDetail(RetryInfoSchema) : undefined;
  return Number(info?.retryDelay?.seconds ?? 0);
}

/** Each peer answers the one before, around the ring, with `pauseMs` between; resolves to how many got through. */
async function ring(turns: number, pauseMs: number): Promise<number> {
  const names = ["a", "b", "c"];
  let inReplyTo = "";
  for (let turn = 0; turn < turns; turn++) {
    const sender = peers[turn % 3];
    const to = [names[(turn + 1) % 3] ?? ""];
    try {
      inReplyTo =
        (await sender?.client.sendMessage({ to, text: `turn ${turn}`, inReplyTo }))?.messageId ??
        "";
    } catch {
      return turn;
    }
    clock.advance(pauseMs);
  }
  return turns;
}

describe("a chain of answers", () => {
  test("around a ring of three is stopped", async () => {
    expect(await ring(100, 1000)).toBe(13);
  });

  test("at the pace of work goes on for ever", async () => {
    expect(await ring(100, 6000)).toBe(100);
  });

  test("says when it may go on, and then may", async () => {
    await ring(12, 100);
    const { records } = await peers[0].client.listMessages({ pageSize: 1 });
    const inReplyTo = records[0]?.message?.messageId ?? "";
    const request = { to: ["b"], text: "one more", inReplyTo };
    await peers[0].client.sendMessage(request);
    const { records: newest } = await peers[1].client.listMessages({ pageSize: 1 });
    const answer = { to: ["a"], text: "and more", inReplyTo: newest[0]?.message?.messageId ?? "" };
    const error = await peers[1].client.sendMessage(answer).catch((reason: unknown) => reason);
    expect(await reasonOf(peers[1].client.sendMessage(answer))).toBe("HOP_LIMIT");
    clock.advance(retrySeconds(error) * 1000);
    await peers[1].client.sendMessage(answer);
  });

  test("that another sender makes of the same ids keeps nobody from answering", async () => {
    const { messageId } = await peers[0].client.sendMessage({ to: ["b", "c"], text: "who?" });
    let inReplyTo = "";
    for (let hop = 0; hop < 12; hop++) {
      const own = { to: ["c"], text: `hop ${hop}`, inReplyTo };
      inReplyTo = (await peers[2].client.sendMessage(own)).messageId;
    }
    await peers[2].client.sendMessage({ to: ["c"], text: "the last", inReplyTo, messageId });
    const answer = { to: ["a"], text: "me", inReplyTo: messageId };
    expect((await peers[1].client.sendMessage(answer)).results).toHaveLength(1);
  });

  test("many answers to one question are no chain", async () => {
    const { messageId } = await peers[0].client.sendMessage({ to: ["b"], text: "who is there?" });
    for (let index = 0; index < 40; index++) {
      const answer = { to: ["a"], text: `me ${index}`, inReplyTo: messageId };
      expect((await peers[1].client.sendMessage(answer)).results).toHaveLength(1);
    }
  });
});

describe("one sender", () => {
  test("is slowed down after a burst, and the others are not", async () => {
    for (let index = 0; index < 600; index++) {
      await peers[0].client.sendMessage({ to: ["b"], text: `${index}` });
    }
    expect(await reasonOf(peers[0].client.sendMessage({ to: ["b"], text: "more" }))).toBe(
      "RATE_LIMITED",
    );
    await peers[1].client.sendMessage({ to: ["a"], text: "I am fine" });
    clock.advance(100);
    await peers[0].client.sendMessage({ to: ["b"], text: "more" });
    expect(await reasonOf(peers[0].client.sendMessage({ to: ["b"], text: "again" }))).toBe(
      "RATE_LIMITED",
    );
  });
});

describe("a clock that is set back", () => {
  test("locks nobody out", async () => {
    await peers[0].client.sendMessage({ to: ["b"], text: "before" });
    clock.setForward(-3_600_000);
    await peers[0].client.sendMessage({ to: ["b"], text: "after" });
    clock.advance(10_000);
    const again = { to: ["b"], text: "before" };
    expect((await peers[0].client.sendMessage(again)).results).toHaveLength(1);
  });
});

describe("the same words", () => {
  test("to the same peer are refused for a while, to others and in other answers they are not", async () => {
    await peers[0].client.sendMessage({ to: ["b"], text: "done" });
    expect(await reasonOf(peers[0].client.sendMessage({ to: ["b"], text: "done" }))).toBe(
      "REPEATED_TEXT",
    );
    const both = await peers[0].client.sendMessage({ to: ["b", "c"], text: "done" });
    expect(both.results.map(entryReason)).toEqual(["REPEATED_TEXT", undefined]);
    clock.advance(10_001);
    await peers[0].client.sendMessage({ to: ["b"], text: "done" });
  });

  test("may be said again to a peer whose queue refused them", async () => {
    const store = openMemoryStore({ clock, limits: { maxQueueMessages: 1 } });
    await using small = await startTestBroker({ clock, store });
    const [from, to] = [await small.join({ name: "from" }), await small.join({ name: "to" })];
    await small.join({ name: "other" });
    await from.client.sendMessage({ to: ["to"], text: "first" });
    const both = await from.client.sendMessage({ to: ["to", "other"], text: "second" });
    expect(both.results.map(entryReason)).toEqual(["QUEUE_FULL", undefined]);
    const stream = to.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await to.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
    await from.client.sendMessage({ to: ["to"], text: "second" });
    expect((await stream.expect("delivery")).message?.text).toBe("second");
    await stream.cancel();
  });

  test("may be repeated as the same message", async () => {
    const request = { to: ["b"], text: "done", messageId: randomUUID() };
    await peers[0].client.sendMessage(request);
    expect((await peers[0].client.sendMessage(request)).results[0]?.duplicate).toBe(true);
  });
});
