import { describe, expect, onTestFinished, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { HistoryListener } from "../../../src/broker/store/history.js";
import { eventually } from "../../support/test-broker.js";
import { Bell } from "./bell.js";
import { alice, bob, carol, draft, send, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology } from "./technology.js";

/** Notes what it is told, in words. */
function notingListener(): { told: string[]; listener: HistoryListener } {
  const told: string[] = [];
  const listener: HistoryListener = {
    accepted: ({ text }, receipts) => {
      for (const { recipient, state } of receipts) {
        told.push(`${text} for ${recipient?.name}: ${ReceiptState[state]}`);
      }
    },
    moved: ({ receipt: { recipient, state, reason } }) =>
      void told.push(`${recipient?.name}: ${ReceiptState[state]}${reason && ` (${reason})`}`),
  };
  return { told, listener };
}

const ample = { maxMessages: 100, maxBytes: 1_000_000 };

/** Ends a watch with its test. */
function endWatch(watch: Disposable): void {
  onTestFinished(() => watch[Symbol.dispose]());
}

export function defineHistoryWatchContract(technology: StoreTechnology): void {
  describe("a watch of messages", () => {
    test("tells what is accepted for whom, and nothing of a duplicate", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      endWatch(store.history.watch(listener));
      const sent = draft({ text: "both", to: [bob, carol] });
      await store.queues.enqueue(sent, sent.to);
      await store.queues.enqueue(sent, sent.to);
      await send(store, { text: "one" });
      const expected = ["both for bob: QUEUED", "both for carol: QUEUED", "one for bob: QUEUED"];
      await eventually(() => expect(told).toEqual(expected));
    });

    test("tells each rung that a receipt reaches, once and after its acceptance", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      endWatch(store.history.watch(listener));
      const { peerId, seq } = await sendFirst(store, { text: "1" });
      const reader = store.queues.open({ peerId, epoch: 1 }, new Bell());
      expect(await reader.next(ample)).toHaveLength(1);
      await eventually(() => expect(told.at(-1)).toBe("bob: LEASED"));
      const { PRESENTED, CONFIRMED } = ReceiptState;
      for (const state of [PRESENTED, PRESENTED, CONFIRMED]) {
        await store.queues.advance(peerId, seq, { state });
        await eventually(() => expect(told.at(-1)).toBe(`bob: ${ReceiptState[state]}`));
      }
      expect(told).toEqual([
        "1 for bob: QUEUED",
        "bob: LEASED",
        "bob: PRESENTED",
        "bob: CONFIRMED",
      ]);
    });

    test("tells of what a reader got with its acceptance, too", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      endWatch(store.history.watch(listener));
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, new Bell());
      expect(await reader.next(ample)).toEqual([]);
      await send(store, { text: "1" });
      await eventually(() => expect(told).toEqual(["1 for bob: QUEUED", "bob: LEASED"]));
    });

    test("tells of what was purged before it was presented, with the reason", async () => {
      const { store } = await openStore(technology);
      const read = await sendFirst(store, { text: "read" });
      await store.queues.advance(read.peerId, read.seq, { state: ReceiptState.PRESENTED });
      await send(store, { text: "unread" });
      const { told, listener } = notingListener();
      endWatch(store.history.watch(listener));
      await store.history.purge({ from: alice.peerId, waiting: false, after: 0, reason: "spam" });
      await eventually(() => expect(told).toEqual(["bob: DEAD_LETTERED (spam)"]));
      await send(store, { text: "later" });
      await eventually(() => expect(told.at(-1)).toBe("later for bob: QUEUED"));
      expect(told).toHaveLength(2);
    });

    test("tells nothing once it has ended", async () => {
      const { store } = await openStore(technology);
      const { told, listener } = notingListener();
      store.history.watch(listener)[Symbol.dispose]();
      await send(store, { text: "1" });
      await store.health();
      expect(told).toEqual([]);
    });
  });
}
