import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Client } from "../../src/rpc/client.js";
import { noticeDelayMs } from "../../src/broker/limits.js";
import { usualSettings } from "../../src/contract/settings.js";
import { RpcError } from "../../src/rpc/error.js";
import { errorOf } from "../../src/rpc/status.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  newSecret,
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let clock: StoppedClock;
let broker: TestBroker;
let operator: Client<typeof BrokerService>;
let noisy: TestPeer;
let victim: TestPeer;
let friend: TestPeer;

beforeEach(async () => {
  clock = new StoppedClock();
  broker = await startTestBroker({ clock });
  operator = broker.client(operatorToken);
  noisy = await broker.join({ name: "noisy" });
  victim = await broker.join({ name: "victim" });
  friend = await broker.join({ name: "friend" });
});
afterEach(() => broker[Symbol.asyncDispose]());

let texts = 0;

function send(from: TestPeer, to = "victim") {
  return from.client.sendMessage({ to: [to], text: `text ${texts++}` });
}

describe("a muted peer", () => {
  test("may read and not send, until it is unmuted", async () => {
    const { peer } = await operator.mutePeer({ peer: "noisy" });
    expect([peer?.muted, peer?.muteEndTime]).toEqual([true, undefined]);
    expect(await reasonOf(send(noisy))).toBe("MUTED");
    await send(victim, "noisy");
    const stream = noisy.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await noisy.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
    await stream.cancel();
    clock.advance(400 * 24 * 3_600_000);
    expect(await reasonOf(send(noisy))).toBe("MUTED");
    expect((await operator.unmutePeer({ peer: "noisy" })).peer?.muted).toBe(false);
    await send(noisy);
  });

  test("is muted for as long as is said, and told when it may go on", async () => {
    const { peer } = await operator.mutePeer({ peer: "noisy", duration: durationFromMs(60_000) });
    expect(peer?.muteEndTime && timestampMs(peer.muteEndTime)).toBe(clock.now() + 60_000);
    clock.advance(20_000);
    const error = await send(noisy).catch((reason: unknown) => reason);
    const retry = error instanceof RpcError ? error.findDetail(RetryInfoSchema) : undefined;
    expect(retry?.retryDelay?.seconds).toBe(40n);
    clock.advance(40_000);
    await send(noisy);
    const { peers } = await operator.listPeers({});
    expect(peers.map(({ muted }) => muted)).toEqual([false, false, false]);
  });

  test("stays muted when the broker starts anew, and under another name", async () => {
    const store = openMemoryStore({ clock });
    const secret = noisy.secret;
    {
      await using before = await startTestBroker({ clock, store, keepStore: true });
      const peer = await before.join({ name: "noisy", secret });
      await peer.client.updatePeer({ name: "quiet" });
      await before.client(operatorToken).mutePeer({ peer: "quiet" });
    }
    await using after = await startTestBroker({ clock, store });
    const peer = await after.join({ name: "innocent", secret });
    await peer.client.updatePeer({ name: "innocent" });
    expect(await reasonOf(send(peer, "innocent"))).toBe("MUTED");
  });

  test("does not get rid of the mute by deleting itself; the operator may delete it", async () => {
    await operator.mutePeer({ peer: "noisy" });
    expect(await reasonOf(noisy.client.deletePeer({}))).toBe("MUTED");
    expect(await reasonOf(noisy.client.deletePeer({ peer: "noisy" }))).toBe("MUTED");
    const again = await broker.join({ name: "noisy", secret: noisy.secret });
    expect(again.registered.created).toBe(false);
    expect(await reasonOf(send(again))).toBe("MUTED");
    await operator.deletePeer({ peer: "noisy", evenIfLive: true });
  });

  test("is neither retired nor removed as unused, so that its secret stays muted", async () => {
    const store = openMemoryStore({ clock });
    const quiet = { name: "quiet", secret: newSecret() };
    {
      await using before = await startTestBroker({ clock, store, keepStore: true });
      const peer = await before.join(quiet);
      const idle = await before.join({ name: "idle" });
      await before.client(operatorToken).mutePeer({ peer: "quiet" });
      // Nor does one go that its session leaves for another conversation's peer.
      const left = await before.join({ name: "left", instanceId: "1" });
      await before.client(operatorToken).mutePeer({ peer: "left" });
      const other = await before.join({
        name: "other",
        instanceId: "2",
        conversationId: "codex:1",
      });
      await other.client.unregister({});
      const move = { keyring: [other.secret], instanceId: "1", conversationId: "codex:1" };
      const moved = await before.join({ ...move, secret: left.secret });
      expect(moved.name).toBe("other");
      for (const { client } of [peer, idle, moved]) await client.unregister({});
    }
    clock.advance(usualSettings.unseen_peers_days * 24 * 60 * 60_000 + 1);
    await using after = await startTestBroker({ clock, store });
    const { client } = await after.join({ name: "witness" });
    await eventually(async () => {
      const { peers } = await client.listPeers({});
      expect(peers.map(({ name }) => name).toSorted()).toEqual(["left", "quiet", "witness"]);
    });
    const back = await after.join(quiet);
    expect(back.registered.created).toBe(false);
    expect(await reasonOf(send(back, "witness"))).toBe("MUTED");
  });

  test.each([
    ["as the same instance", { instanceId: "1" }, false],
    ["in the same conversation", { conversationId: "codex:1" }, false],
    ["over the same connection", {}, true],
  ])(
    "takes its mute along to the new peer that it becomes %s",
    async (_how, wish, sameConnection) => {
      const was = { name: "loud", instanceId: "1", conversationId: "codex:1" };
      const loud = await broker.join(was);
      await operator.mutePeer({ peer: "loud", duration: durationFromMs(60_000) });
      await loud.client.unregister({});
      const client = sameConnection ? loud.client : broker.client();
      const anew = await client.register({ secret: newSecret(), instanceId: "2", ...wish });
      expect([anew.created, anew.peer?.muted]).toEqual([true, true]);
      const own = broker.client(anew.sessionToken);
      const message = { to: ["victim"], text: "here I am again" };
      expect(await reasonOf(own.sendMessage(message))).toBe("MUTED");
      // Somebody else is not muted, and no longer than the other was.
      expect((await broker.join({ baseName: "loud" })).registered.peer?.muted).toBe(false);
      clock.advance(60_000);
      await own.sendMessage(message);
      const third = await client.register({ secret: newSecret(), instanceId: "2", ...wish });
      expect(third.peer?.muted).toBe(false);
    },
  );

  test("is muted by the operator alone, for a time that can be", async () => {
    expect(await reasonOf(friend.client.mutePeer({ peer: "noisy" }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(noisy.client.unmutePeer({ peer: "noisy" }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(noisy.client.purgeMessages({ from: "friend" }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(operator.mutePeer({ peer: "" }))).toBe("FIELD_REQUIRED");
    expect(await reasonOf(operator.mutePeer({ peer: "nobody" }))).toBe("PEER_NOT_FOUND");
    const long = { peer: "noisy", duration: durationFromMs(366 * 24 * 3_600_000) };
    expect(await reasonOf(operator.mutePeer(long))).toBe("FIELD_INVALID");
    await send(noisy);
  });
});

describe("a purge", () => {
  test("frees a victim's queue of what one sender left there, and its friends are delivered", async () => {
    for (let count = 0; count < 5; count++) await send(noisy);
    await send(friend);
    const stream = victim.subscribe({ maxMessages: 2 });
    await stream.expect("started");
    await stream.expect("delivery");
    await stream.expect("delivery");
    const { removedDeliveries, from } = await operator.purgeMessages({ from: "noisy" });
    expect([removedDeliveries, from?.name]).toEqual([5n, "noisy"]);
    const seen: string[] = [];
    while (!seen.includes("friend")) {
      const event = await stream.next();
      if (event.case === "delivery") seen.push(event.value.message?.from?.name ?? "");
    }
    expect(seen).toEqual(["friend"]);
    await stream.cancel();
  });

  test("is told to the sender once, as the operator's doing", async () => {
    for (let count = 0; count < 3; count++) await send(noisy);
    await operator.purgeMessages({ from: "noisy" });
    clock.advance(noticeDelayMs);
    await eventually(async () => {
      const { records } = await noisy.client.listMessages({});
      expect(records).toHaveLength(1);
      expect(records[0]?.message?.text).toMatch(/3 messages of yours.*\n.*the operator removed it/);
    });
  });

  test("takes what was read only where all is asked for", async () => {
    const { messageId } = await send(noisy);
    const stream = victim.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await victim.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
    await stream.cancel();
    expect((await operator.purgeMessages({ from: "noisy" })).removedDeliveries).toBe(0n);
    await victim.client.getMessage({ messageId });
    const all = await operator.purgeMessages({ from: "noisy", all: true });
    expect(all.removedDeliveries).toBe(1n);
    expect(await reasonOf(victim.client.getMessage({ messageId }))).toBe("MESSAGE_NOT_FOUND");

    // The sender is told of what nobody read, alone.
    const { messageId: unreadId } = await send(noisy);
    await operator.purgeMessages({ from: "noisy", all: true });
    clock.advance(noticeDelayMs);
    await eventually(async () => {
      const { records } = await noisy.client.listMessages({});
      expect(records.map(({ message }) => message?.text.split("\n"))).toEqual([
        ["A message of yours was not delivered:", expect.stringContaining(unreadId.slice(-8))],
      ]);
    });
  });
});

describe("a queue that one sender fills", () => {
  test("has room for its friends, and says to the sender when to try again", async () => {
    const store = openMemoryStore({ clock, limits: { maxQueueMessages: 50 } });
    await using small = await startTestBroker({ clock, store });
    const [attacker, target] = [
      await small.join({ name: "noisy" }),
      await small.join({ name: "victim" }),
    ];
    const ally = await small.join({ name: "friend" });
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => send(attacker)));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    const error = await send(attacker).catch((reason: unknown) => reason);
    expect(error instanceof RpcError && error.message).toContain("your share");
    const retry = error instanceof RpcError ? error.findDetail(RetryInfoSchema) : undefined;
    expect(retry?.retryDelay?.seconds).toBe(30n);
    const mixed = { to: ["victim", "friend"], text: "to both" };
    const { results } = await attacker.client.sendMessage(mixed);
    const delays = results.map(
      (result) => result.error && errorOf(result.error).findDetail(RetryInfoSchema)?.retryDelay,
    );
    expect(delays.map((delay) => delay?.seconds)).toEqual([30n, undefined]);
    await send(ally);
    expect(target.name).toBe("victim");
  });
});

describe("all mail together", () => {
  test("is bounded, and the refusal says by what and what to do", async () => {
    const store = openMemoryStore({ clock, limits: { maxMailBytes: 2000 } });
    await using small = await startTestBroker({ clock, store });
    const [from] = [await small.join({ name: "noisy" }), await small.join({ name: "victim" })];
    await send(from);
    const refused = send(from);
    expect(await reasonOf(refused)).toBe("LIMIT_REACHED");
    await expect(refused).rejects.toThrow(/mail_bytes.*peerline purge --from NAME/);
    const { limits } = await from.client.getServerInfo({});
    expect(limits.find(({ name }) => name === "mail_bytes")?.maximum).toBe(2000n);
    await small.client(operatorToken).purgeMessages({ from: "noisy" });
    await send(from);
  });
});
