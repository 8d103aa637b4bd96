import { describe, expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { alice, bob, carol, draft, send, sendFirst } from "./drafts.js";
import { listTexts } from "./history.js";
import { openStore, type StoreTechnology } from "./technology.js";
import { eventually } from "../../support/test-broker.js";

const limits = { retentionMs: 60_000, pruneIntervalMs: 1000 };

export function defineRetentionContract(technology: StoreTechnology): void {
  describe("retention", () => {
    test("a message id is known for as long as is said, and 24 hours at least", async () => {
      const { store } = await openStore(technology);
      expect(store.info.dedupeWindowMs).toBeGreaterThanOrEqual(24 * 60 * 60 * 1000);
    });

    test("forgets what is closed for all and past its retention, and nothing else", async () => {
      const { store, clock } = await openStore(technology, limits);
      const closed = await sendFirst(store, { text: "closed" });
      await store.queues.advance(bob.peerId, closed.seq, { state: ReceiptState.CONFIRMED });
      const half = await sendFirst(store, { text: "open for carol", to: [bob, carol] });
      await store.queues.advance(bob.peerId, half.seq, { state: ReceiptState.CONFIRMED });
      await send(store, { text: "open" });
      clock.advance(limits.retentionMs + 1);
      const young = await sendFirst(store, { text: "young" });
      await store.queues.advance(bob.peerId, young.seq, { state: ReceiptState.CONFIRMED });

      await eventually(async () => {
        expect(await listTexts(store)).toEqual(["young", "open", "open for carol"]);
      });
      expect(await store.history.getReceipt(bob.peerId, closed.seq)).toBeUndefined();
      await send(store, { messageId: closed.messageId, text: "other content" });
    });

    test("a repeat within the window is a duplicate, whatever became of the message", async () => {
      const { store, clock } = await openStore(technology, limits);
      const sent = draft();
      const { seq } = await sendFirst(store, sent);
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
      clock.advance(limits.retentionMs - 1);
      await send(store);
      const [repeat] = await store.queues.enqueue(sent, sent.to);
      expect(repeat).toMatchObject({ ok: true, duplicate: true });
    });

    test("a peer is free to go when its last message is forgotten", async () => {
      const { store, clock } = await openStore(technology, limits);
      const { seq } = await sendFirst(store, { from: carol });
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
      expect(await store.peers.remove(carol.peerId)).toBe(false);
      clock.advance(limits.retentionMs + 1);
      await send(store, { from: alice });
      await eventually(async () => expect(await store.peers.remove(carol.peerId)).toBe(true));
      expect(await store.peers.remove(bob.peerId)).toBe(false);
    });
  });
}
