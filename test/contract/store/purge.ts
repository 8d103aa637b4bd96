import { describe, expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { silent } from "./bell.js";
import { alice, ample, bob, carol, send, sendFirst, texts } from "./drafts.js";
import { listTexts } from "./history.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

export function definePurgeContract(technology: StoreTechnology): void {
  describe("a purge of what a peer sent", () => {
    test("removes what waits, for each recipient by itself, and nothing of others", async () => {
      const { store } = await openStore(technology);
      const { seq } = await sendFirst(store, { text: "read by bob", to: [bob, carol] });
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.PRESENTED });
      await send(store, { text: "unread" });
      await send(store, { text: "of carol", from: carol });
      await send(store, { text: "to alice", from: bob, to: [alice] });
      const removed = await purge(store, { waiting: true });
      expect(removed).toEqual(["carol", "bob"]);
      expect(await listTexts(store)).toEqual(["to alice", "of carol", "read by bob"]);
      expect(
        texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample)),
      ).toEqual(["read by bob", "of carol"]);
      expect(
        texts(await store.queues.open({ peerId: carol.peerId, epoch: 1 }, silent).next(ample)),
      ).toEqual([]);
      const waiting = await store.queues.countWaiting([alice.peerId, bob.peerId, carol.peerId]);
      expect([...waiting.values()]).toEqual([1, 1, 0]);
    });

    test("removes all that it sent, where that is asked for", async () => {
      const { store } = await openStore(technology);
      const { seq } = await sendFirst(store, { text: "confirmed" });
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
      await send(store, { text: "unread" });
      await send(store, { text: "to itself", to: [alice] });
      expect(await purge(store, { waiting: false })).toEqual(["bob", "bob", "alice"]);
      expect(await listTexts(store)).toEqual([]);
      expect(await store.peers.remove(alice.peerId)).toBe(true);
      expect(await store.peers.remove(bob.peerId)).toBe(true);
    });

    test("goes through many messages slice by slice", async () => {
      const { store } = await openStore(technology);
      for (let index = 0; index < 250; index += 1) await send(store, { text: String(index) });
      expect(await purge(store, { waiting: true })).toHaveLength(250);
      expect(await listTexts(store)).toEqual([]);
    });

    test("leaves an open reader with what others sent", async () => {
      const { store } = await openStore(technology);
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      await send(store, { text: "handed out" });
      const [first] = await reader.next(ample);
      await send(store, { text: "unread" });
      await send(store, { text: "of carol", from: carol });
      await purge(store, { waiting: true });
      reader.giveBack(first?.receipt.seq ?? 0n, 0);
      expect(texts(await reader.next(ample))).toEqual(["of carol"]);
      const report = store.queues.advance(bob.peerId, first?.receipt.seq ?? 0n, {
        state: ReceiptState.CONFIRMED,
      });
      await expect(report).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    testReopened(technology, "outlives the store", async () => {
      const { store, reopen } = await openStore(technology);
      await send(store, { text: "unread" });
      await purge(store, { waiting: true });
      expect(await listTexts(await reopen())).toEqual([]);
    });
  });
}

/** Resolves to the names of those from whom a delivery was taken. */
async function purge(store: Store, { waiting }: { waiting: boolean }): Promise<string[]> {
  const names: string[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const slice: Awaited<ReturnType<Store["history"]["purge"]>> = await store.history.purge({
      from: alice.peerId,
      waiting,
      after,
      reason: "the operator removed it",
    });
    names.push(...slice.removed.map(({ receipt }) => receipt.recipient?.name ?? ""));
    after = slice.next;
  }
  return names;
}
