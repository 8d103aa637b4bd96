import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock, type Clock } from "../../../src/clock.js";
import { storeLimits, type StoreLimits } from "../../../src/store/limits.js";
import { EngineClock } from "../../../src/store/nats/engine-clock.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { silent } from "../../contract/store/bell.js";
import { deaf, peersOf } from "../../contract/store/records.js";
import { peer } from "../../contract/store/peers.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { ample, bob, draft, send, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { isNatsMissing } from "../../support/nats-programs.js";
import type { NatsServer } from "../../support/nats-server.js";
import { eventually } from "../../support/test-broker.js";
import { optionsFor, startServer } from "./open-link.js";

const day = 24 * 60 * 60 * 1000;

async function open(
  server: NatsServer,
  { clock = systemClock, limits = {} }: { clock?: Clock; limits?: Partial<StoreLimits> } = {},
): Promise<{ store: Store; told: string[] }> {
  const told: string[] = [];
  const store = await openNatsStore({
    nats: optionsFor(server),
    version: "1.2.3",
    clock,
    limits: { ...storeLimits, maxMailBytes: 16 * 1024 * 1024, ...limits },
    tell: (words) => void told.push(words),
  });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return { store, told };
}

async function byHand(server: NatsServer): Promise<JetStreamManager> {
  const connection = await connect({ ...server.clientOptions });
  onTestFinished(() => connection.close());
  return jetstreamManager(connection);
}

/** This machine's clock is wrong by so much. */
function wrongClock(byMs: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + byMs };
}

describe.skipIf(isNatsMissing())("records that somebody wrote or removed by hand", () => {
  test.each([
    ["its state is missing", {}],
    ["its state is none", { "Peerline-State": "x" }],
    ["its state is open", { "Peerline-State": "2" }],
    ["its state says that it was removed", { "Peerline-State": "0" }],
  ])("a receipt that cannot be read, as %s, loses no message and stops nobody", async (_, head) => {
    const server = await startServer();
    const manager = await byHand(server);
    const { store } = await open(server);
    const { seq, messageId } = await sendFirst(store, { text: "kept" });
    await send(store, { text: "another" });
    const given = headers();
    for (const [name, value] of Object.entries(head)) given.set(name, value);
    const subject = `peerline.receipt.${bob.peerId}.${seq}.${messageId}`;
    await manager.jetstream().publish(subject, "no receipt", { headers: given });
    for (const reopened of [store, (await open(server)).store]) {
      const reader = reopened.queues.open({ peerId: bob.peerId, epoch: 9 }, silent);
      await eventually(async () => {
        const messages = await reader.next(ample);
        expect(texts(messages)).toEqual(["kept", "another"]);
      });
      reader.close();
    }
    const next = { state: ReceiptState.CONFIRMED };
    expect((await store.queues.advance(bob.peerId, seq, next)).receipt.state).toBe(next.state);
  });

  test("what claims to be larger than it is takes no room", async () => {
    const server = await startServer();
    const manager = await byHand(server);
    const { store } = await open(server);
    const given = headers();
    const now = Date.now();
    const said = { to: "bob", from: "eve", fingerprint: "", thread: "", accept: now, queued: now };
    given.set("Peerline-Head", JSON.stringify({ ...said, expire: now + day, size: 2 ** 53 - 1 }));
    const subject = `peerline.mail.${bob.peerId}.eve.12345678.12345678`;
    await manager.jetstream().publish(subject, "no message", { headers: given });
    const { store: later } = await open(server);
    for (const one of [store, later]) {
      await send(one);
      expect((await one.health()).bytes).toBeLessThan(10_000);
    }
  });

  test("a message that was removed from its stream waits for nobody any more", async () => {
    const server = await startServer();
    const manager = await byHand(server);
    const { store } = await open(server);
    const { seq } = await sendFirst(store, { text: "gone" });
    await send(store, { text: "there" });
    await manager.streams.deleteMessage("peerline-mail", Number(seq));
    const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
    expect(texts(await reader.next(ample))).toEqual(["there"]);
    expect((await store.queues.countWaiting([bob.peerId])).get(bob.peerId)).toBe(1);
  });

  test("peers that were removed from their stream are so for the brokers that run", async () => {
    const server = await startServer();
    const manager = await byHand(server);
    const { store } = await open(server);
    await store.peers.create(peer("api"));
    const removed: string[] = [];
    await store.peers.watch({ ...deaf, peerRemoved: (peerId) => void removed.push(peerId) });
    await manager.streams.purge("peerline-peers");
    await eventually(() => expect(removed).toEqual([peer("api").peerId]));
    await store.peers.create({ ...peer("other"), name: "api" });
    expect((await peersOf(store)).map(({ peerId }) => peerId)).toEqual([peer("other").peerId]);
  });

  test.each(["purged", "deleted"])(
    "where the receipts were %s, what comes again is marked",
    async (how) => {
      const server = await startServer();
      const manager = await byHand(server);
      const { store } = await open(server);
      const { peerId, seq } = await sendFirst(store, { text: "read" });
      await store.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
      await store[Symbol.asyncDispose]();
      if (how === "purged") await manager.streams.purge("peerline-receipts");
      else await manager.streams.delete("peerline-receipts");
      const { store: later, told } = await open(server);
      const reader = later.queues.open({ peerId, epoch: 2 }, silent);
      const messages = await reader.next(ample);
      expect(messages.map(({ message, redelivered }) => [message.text, redelivered])).toEqual([
        ["read", true],
      ]);
      expect(told).toEqual([expect.stringMatching(/peerline-receipts lacks what it had/)]);
    },
  );

  test("a message that got the sequence of a lost one is not taken for it", async () => {
    const server = await startServer();
    const manager = await byHand(server);
    const { store } = await open(server);
    for (const text of ["lost", "lost, too"]) {
      const { peerId, seq } = await sendFirst(store, { text });
      await store.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
    }
    await store[Symbol.asyncDispose]();
    await manager.streams.delete("peerline-mail");
    const { store: later } = await open(server);
    const sent = ["new", "new, too", "newest"];
    for (const text of sent) await send(later, { text });
    for (const one of [later, (await open(server)).store]) {
      const reader = one.queues.open({ peerId: bob.peerId, epoch: 2 }, silent);
      expect(texts(await reader.next(ample))).toEqual(sent);
      reader.close();
    }
  });

  test("a lease of a later session that there is not ends after a while", async () => {
    const server = await startServer();
    const clock = new StoppedClock(Date.now());
    const { store } = await open(server, { clock });
    await send(store, { text: "leased" });
    const later = store.queues.open({ peerId: bob.peerId, epoch: 9 }, silent);
    expect(await later.next(ample)).toHaveLength(1);
    await store[Symbol.asyncDispose]();
    // As where an older copy of the peers was restored.
    const { store: again } = await open(server, { clock });
    const reader = again.queues.open({ peerId: bob.peerId, epoch: 2 }, silent);
    expect(await reader.next(ample)).toEqual([]);
    await send(again, { text: "new" });
    expect(texts(await reader.next(ample))).toEqual(["new"]);
    clock.advance(60_000);
    expect(texts(await reader.next(ample))).toEqual(["leased"]);
  });

  test("a message of a wrong clock does not keep the older ones behind it", async () => {
    const server = await startServer();
    const limits = { retentionMs: day, pruneIntervalMs: 200 };
    const confirm = async (store: Store, text: string): Promise<void> => {
      const { peerId, seq } = await sendFirst(store, { text, expiresInMs: 1000 * day });
      await store.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
    };
    for (const [text, byMs] of [
      ["old", -3 * day],
      ["of the future", 400 * day],
      ["old, too", -2 * day],
    ] as const) {
      const { store } = await open(server, { clock: wrongClock(byMs) });
      await confirm(store, text);
      await store[Symbol.asyncDispose]();
    }
    const { store } = await open(server, { limits });
    await eventually(async () => expect(await listTexts(store)).toEqual(["of the future"]));
  });
});

describe.skipIf(isNatsMissing())("a broker whose clock is wrong", () => {
  test.each([40 * day, -40 * day])("by %d ms goes by the engine's, and says so", async (byMs) => {
    const server = await startServer();
    const { store } = await open(server);
    const sent = draft({ expiresInMs: 30 * day });
    await store.queues.enqueue(sent, sent.to);
    const clock = new EngineClock(wrongClock(byMs));
    const { store: wrong, told } = await open(server, { clock });
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(10_000);
    expect(told).toEqual([
      expect.stringMatching(
        /^This machine's clock is \d+\.\d s (ahead of|behind) the NATS servers'/,
      ),
    ]);
    expect(await wrong.history.listExpired({ after: undefined, limit: 9 })).toEqual([]);
    const { messageId } = sent;
    await eventually(async () => {
      const later = await sendFirst(wrong, { text: "later" });
      expect(later.messageId).not.toBe(messageId);
    });
    expect(await store.history.listExpired({ after: undefined, limit: 9 })).toEqual([]);
  });

  test("by less than two seconds goes by its own", async () => {
    const server = await startServer();
    const clock = new EngineClock(wrongClock(500));
    const { told } = await open(server, { clock });
    expect(clock.aheadMs).toBe(0);
    expect(told).toEqual([]);
  });
});
