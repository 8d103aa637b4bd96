import { toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { MessageSchema, type PeerRef, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Draft, EnqueueResult } from "../../../src/broker/store/queues.js";
import type { Store } from "../../../src/broker/store/store.js";
import { deliveryBytes } from "../../../src/contract/limits.js";
import { accepted, alice, carol, draft, peerRef, send, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";
import { eventually } from "../../support/test-broker.js";

const dave = peerRef("dave");
const retention = { retentionMs: 60_000, pruneIntervalMs: 1000 };

export function defineBoundContract(technology: StoreTechnology): void {
  describe("a sender's share of a queue", () => {
    test("is a quarter of what is free there, so that another finds room", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 50 });
      expect(await sendUntilRefused(store, alice)).toEqual([10, "QUEUE_FULL"]);
      expect(await sendUntilRefused(store, carol)).toEqual([8, "QUEUE_FULL"]);
      expect(await sendUntilRefused(store, dave)).toEqual([6, "QUEUE_FULL"]);
      await send(store, { from: peerRef("erin") });
      // Other queues are others' business.
      await send(store, { to: [carol] });
    });

    test("is meant in bytes, too, and says so", async () => {
      const { store } = await openStore(technology, { maxQueueBytes: 27_000 });
      const [count, code] = await sendUntilRefused(store, alice, { text: "x".repeat(2700) });
      expect([count, code]).toEqual([2, "QUEUE_FULL"]);
      const more = draft({ text: "x".repeat(2700) });
      const [refused] = await store.queues.enqueue(more, more.to);
      expect(refused?.ok === false && refused.error.message).toMatch(/your share/);
      expect(refused?.ok === false && refused.error.bound).toEqual({
        limit: "queue_bytes",
        maximum: 27_000,
      });
      await send(store, { from: carol, text: "x".repeat(2700) });
    });

    test("comes back with what is closed, dropped or redriven", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 9 });
      const first = await sendFirst(store);
      const second = await sendFirst(store);
      expect(await sendUntilRefused(store, alice)).toEqual([0, "QUEUE_FULL"]);
      await store.queues.advance(first.peerId, first.seq, { state: ReceiptState.PRESENTED });
      expect(await sendUntilRefused(store, alice)).toEqual([0, "QUEUE_FULL"]);
      await store.queues.advance(first.peerId, first.seq, { state: ReceiptState.DEAD_LETTERED });
      await store.queues.redrive(first.peerId, first.seq);
      expect(await sendUntilRefused(store, alice)).toEqual([0, "QUEUE_FULL"]);
      await store.queues.advance(second.peerId, second.seq, { state: ReceiptState.CONFIRMED });
      expect(await sendUntilRefused(store, alice)).toEqual([1, "QUEUE_FULL"]);
    });

    test("holds also against sends at once", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 100 });
      const drafts = Array.from({ length: 100 }, () => draft());
      const results = await Promise.all(drafts.map((one) => store.queues.enqueue(one, one.to)));
      expect(results.flat().filter(({ ok }) => ok)).toHaveLength(20);
    });

    testReopened(technology, "is known when the store is opened again", async () => {
      const { store, reopen } = await openStore(technology, { maxQueueMessages: 50 });
      expect(await sendUntilRefused(store, alice)).toEqual([10, "QUEUE_FULL"]);
      expect(await sendUntilRefused(await reopen(), alice)).toEqual([0, "QUEUE_FULL"]);
    });
  });

  describe("all mail together", () => {
    test("is bounded to the byte", async () => {
      const senders = ["s1", "s2", "s3", "s4", "s5"].map(peerRef);
      const sent = { from: peerRef("s0"), text: "x".repeat(500) };
      const bytes = (await sizeOf(technology, sent)) + deliveryBytes;
      for (const [spare, count] of [
        [0, 4],
        [-1, 3],
      ] as const) {
        const { store } = await openStore(technology, { maxMailBytes: 4 * bytes + spare });
        const results = [];
        for (const from of senders) results.push(await sendUntilRefused(store, from, sent));
        const refused = results.map(([accepted]) => accepted);
        expect(refused).toEqual(senders.map((_, index) => (index < count ? 1 : 0)));
        expect(results[0]).toEqual([1, "MAIL_FULL"]);
      }
    });

    test("counts each recipient", async () => {
      const { store } = await openStore(technology, { maxMailBytes: 40 * deliveryBytes });
      const sent = draft({
        text: "",
        to: ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"].map(peerRef),
      });
      const results = await store.queues.enqueue(sent, sent.to);
      const taken = results.filter(({ ok }) => ok).length;
      expect(results.map(({ ok }) => ok)).toEqual(results.map((_, index) => index < taken));
      const message = toBinary(MessageSchema, accepted(results[0]).message).byteLength;
      // A sender may have a quarter of what is free; a message has a copy for each recipient, or one for all.
      const bytes = (count: number): number =>
        count * deliveryBytes + (technology.keepsCopies ? count : 1) * message;
      const isShare = (count: number): boolean =>
        bytes(count) <= (40 * deliveryBytes - bytes(count - 1)) / 4;
      expect([taken, isShare(taken), isShare(taken + 1)]).toEqual([
        technology.keepsCopies ? 5 : 7,
        true,
        false,
      ]);
    });

    test("is bounded whatever its state, until it is forgotten", async () => {
      const maxMailBytes = 8000;
      const { store, clock } = await openStore(technology, { ...retention, maxMailBytes });
      const text = "x".repeat(2000);
      const { peerId, seq } = await sendFirst(store, { text });
      await store.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
      expect(await sendUntilRefused(store, alice, { text })).toEqual([0, "MAIL_FULL"]);
      clock.advance(retention.retentionMs + 1);
      await eventually(() => send(store, { text }));
      expect(await sendUntilRefused(store, alice, { text })).toEqual([0, "MAIL_FULL"]);
    });

    test("makes room for what is dropped and purged, and has none for what was refused", async () => {
      const { store } = await openStore(technology, { maxMailBytes: 8000 });
      const text = "x".repeat(2000);
      const { peerId, seq } = await sendFirst(store, { text });
      for (let round = 0; round < 5; round += 1) {
        expect(await sendUntilRefused(store, alice, { text })).toEqual([0, "MAIL_FULL"]);
      }
      await store.queues.advance(peerId, seq, { state: ReceiptState.DEAD_LETTERED });
      await store.queues.drop(peerId, seq);
      await send(store, { text });
      await store.history.purge({ from: alice.peerId, waiting: true, after: 0, reason: "gone" });
      await send(store, { text });
      expect(await sendUntilRefused(store, alice, { text })).toEqual([0, "MAIL_FULL"]);
    });

    testReopened(technology, "is as bounded when the store is opened again", async () => {
      const { store, reopen } = await openStore(technology, { maxMailBytes: 8000 });
      const text = "x".repeat(2000);
      await send(store, { text });
      expect(await sendUntilRefused(await reopen(), alice, { text })).toEqual([0, "MAIL_FULL"]);
    });
  });
}

/** Resolves to how many were accepted (of at most 100), and why no more. */
async function sendUntilRefused(
  store: Store,
  from: PeerRef,
  given: Partial<Draft> = {},
): Promise<[number, string]> {
  for (let count = 0; count < 100; count += 1) {
    const sent = draft({ ...given, from });
    const results = await store.queues.enqueue(sent, sent.to);
    const refused = results.find((result): result is EnqueueResult & { ok: false } => !result.ok);
    if (refused !== undefined) return [count, refused.error.code];
  }
  return [100, "accepted"];
}

/** What such a message takes, encoded. */
async function sizeOf(technology: StoreTechnology, given: Partial<Draft>): Promise<number> {
  const { store } = await openStore(technology);
  const sent = draft(given);
  const [result] = await store.queues.enqueue(sent, sent.to);
  return toBinary(MessageSchema, accepted(result).message).byteLength;
}
