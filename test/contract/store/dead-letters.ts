import { describe, expect, test } from "vitest";
import type { AdvancedReceipt } from "../../../src/broker/store/queues.js";
import type { Store } from "../../../src/broker/store/store.js";
import { ConfirmedBy, type Receipt, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { Bell, silent } from "./bell.js";
import { accepted, alice, ample, bob, carol, draft, send, sendFirst, texts } from "./drafts.js";
import { listTexts } from "./history.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

const { QUEUED, LEASED, PRESENTED, CONFIRMED, DEAD_LETTERED } = ReceiptState;

export function defineDeadLetterContract(technology: StoreTechnology): void {
  describe("a redrive", () => {
    test("puts a dead letter back to the foot of the ladder", async () => {
      const { store, clock } = await openStore(technology);
      const { peerId, seq, messageId } = await sendFirst(store);
      const { receipt: first } = (await store.history.getReceipt(peerId, seq))!;
      for (const state of [LEASED, PRESENTED]) {
        clock.advance(10);
        await store.queues.advance(peerId, seq, { state, failedAttempt: true });
      }
      await bury(store, { peerId, seq });

      const redriven = await store.queues.redrive(peerId, seq);
      expect(redriven).toEqual({ from: alice, messageId, receipt: first, moved: true });
      expect((await store.history.getReceipt(peerId, seq))?.receipt).toEqual(first);
      const confirmed = { state: CONFIRMED, confirmedBy: ConfirmedBy.HOOK };
      expect(await store.queues.advance(peerId, seq, confirmed)).toMatchObject({ moved: true });
    });

    test("wakes the reader that had passed the message, which offers it once, marked", async () => {
      const { store } = await openStore(technology);
      const first = await sendFirst(store, { text: "1" });
      await send(store, { text: "2" });
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      await reader.next(ample);
      await bury(store, first);
      await store.queues.redrive(first.peerId, first.seq);
      await bell.heard();
      expect(await reader.backlog()).toMatchObject({ unread: 1 });
      await send(store, { text: "3" });
      const messages = await reader.next(ample);
      expect(texts(messages)).toEqual(["1", "3"]);
      expect(messages.map(({ redelivered }) => redelivered)).toEqual([true, false]);
      expect(messages[0]?.receipt.state).toBe(LEASED);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("comes before younger mail for a reader that has not passed the message", async () => {
      const { store } = await openStore(technology);
      const first = await sendFirst(store, { text: "1" });
      await send(store, { text: "2" });
      await bury(store, first);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      await store.queues.redrive(first.peerId, first.seq);
      await bell.heard();
      expect(await reader.backlog()).toMatchObject({ unread: 2 });
      expect(texts(await reader.next({ ...ample, maxMessages: 1 }))).toEqual(["1"]);
      expect(texts(await reader.next(ample))).toEqual(["2"]);
      expect(await reader.next(ample)).toEqual([]);
    });

    test.each(["before", "after"])(
      "is offered once when it is asked for %s the reader's call",
      async (order) => {
        const { store } = await openStore(technology);
        const first = await sendFirst(store, { text: "1" });
        await send(store, { text: "2" });
        await bury(store, first);
        const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
        const redrive = () => store.queues.redrive(first.peerId, first.seq);
        const early = order === "before" ? redrive() : undefined;
        const reading = reader.next(ample);
        await (early ?? redrive());
        const read = [...(await reading), ...(await reader.next(ample))];
        expect(texts(read).toSorted()).toEqual(["1", "2"]);
        expect(await reader.next(ample)).toEqual([]);
      },
    );

    test("of what waits for its delay offers it once", async () => {
      const { store, clock } = await openStore(technology);
      const sent = await sendFirst(store, { text: "1" });
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      await reader.next(ample);
      reader.giveBack(sent.seq, 20);
      await bury(store, sent);
      await store.queues.redrive(sent.peerId, sent.seq);
      await bell.heard();
      expect(texts(await reader.next(ample))).toEqual(["1"]);
      clock.advance(40);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("counts again as open and waiting, and is refused by a full queue", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 1 });
      const first = await sendFirst(store);
      await bury(store, first);
      const second = await sendFirst(store);
      const refused = store.queues.redrive(first.peerId, first.seq);
      await expect(refused).rejects.toMatchObject({ code: "QUEUE_FULL" });
      expect((await store.history.getReceipt(first.peerId, first.seq))?.receipt.state).toBe(
        DEAD_LETTERED,
      );

      await store.queues.advance(second.peerId, second.seq, { state: CONFIRMED });
      await store.queues.redrive(first.peerId, first.seq);
      expect(await store.queues.countWaiting([bob.peerId])).toEqual(new Map([[bob.peerId, 1]]));
      const third = draft();
      const [full] = await store.queues.enqueue(third, third.to);
      expect(full).toMatchObject({ ok: false, error: { code: "QUEUE_FULL" } });
    });

    testReopened(technology, "outlives the store, and is still marked", async () => {
      const { store, reopen } = await openStore(technology);
      const sent = await sendFirst(store, { text: "1" });
      await bury(store, sent);
      await store.queues.redrive(sent.peerId, sent.seq);
      const reopened = await reopen();
      const messages = await reopened.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(texts(messages)).toEqual(["1"]);
      expect(messages[0]?.redelivered).toBe(true);
    });
  });

  describe("a drop", () => {
    test("removes the delivery, and the message with the last one", async () => {
      const { store } = await openStore(technology);
      const sent = draft({ text: "both", to: [bob, carol] });
      const [bobs, carols] = (await store.queues.enqueue(sent, sent.to)).map(
        (result) => accepted(result).receipt,
      );
      await bury(store, placeOf(bobs!));
      await store.queues.drop(bob.peerId, bobs!.seq);
      expect(await store.history.getReceipt(bob.peerId, bobs!.seq)).toBeUndefined();
      const [record] = await store.history.find({ ...sent, senders: [], viewer: "", limit: 1 });
      expect(record?.receipts).toEqual([carols]);
      const ofBob = { messageId: sent.messageId, senders: [], viewer: bob.peerId, limit: 1 };
      expect(await store.history.find(ofBob)).toEqual([]);

      await bury(store, placeOf(carols!));
      await store.queues.drop(carol.peerId, carols!.seq);
      expect(await listTexts(store)).toEqual([]);
      expect(await store.peers.remove(alice.peerId)).toBe(true);
      await send(store, { messageId: sent.messageId, text: "other content" });
    });

    test("of what a peer sent itself spares what others received", async () => {
      const { store } = await openStore(technology);
      const sent = draft({ text: "note", from: bob, to: [bob, carol] });
      const [own] = (await store.queues.enqueue(sent, sent.to)).map(
        (result) => accepted(result).receipt,
      );
      await bury(store, placeOf(own!));
      await store.queues.drop(bob.peerId, own!.seq);
      const ofBob = { messageId: sent.messageId, senders: [], viewer: bob.peerId, limit: 1 };
      expect(await store.history.find(ofBob)).toHaveLength(1);
    });

    testReopened(technology, "outlives the store", async () => {
      const { store, reopen } = await openStore(technology);
      const sent = await sendFirst(store);
      await bury(store, sent);
      await store.queues.drop(sent.peerId, sent.seq);
      expect(await listTexts(await reopen())).toEqual([]);
    });
  });

  describe("what is not a dead letter", () => {
    test.each(["redrive", "drop"] as const)("is not found by a %s", async (decision) => {
      const { store } = await openStore(technology);
      const notFound = { code: "NOT_FOUND" };
      for (const state of [QUEUED, LEASED, PRESENTED, CONFIRMED, ReceiptState.EXPIRED]) {
        const { peerId, seq } = await sendFirst(store);
        const { receipt } = await store.queues.advance(peerId, seq, { state });
        await expect(store.queues[decision](peerId, seq)).rejects.toMatchObject(notFound);
        expect((await store.history.getReceipt(peerId, seq))?.receipt).toEqual(receipt);
      }
      const dead = await sendFirst(store);
      await bury(store, dead);
      await expect(store.queues[decision](carol.peerId, dead.seq)).rejects.toMatchObject(notFound);
      await expect(store.queues[decision](dead.peerId, 2n ** 64n - 1n)).rejects.toMatchObject(
        notFound,
      );
      await store.queues[decision](dead.peerId, dead.seq);
      await expect(store.queues[decision](dead.peerId, dead.seq)).rejects.toMatchObject(notFound);
    });
  });
}

function bury(
  store: Store,
  { peerId, seq }: { peerId: string; seq: bigint },
): Promise<AdvancedReceipt> {
  return store.queues.advance(peerId, seq, { state: DEAD_LETTERED, reason: "gave up" });
}

function placeOf({ recipient, seq }: Receipt): { peerId: string; seq: bigint } {
  return { peerId: recipient?.peerId ?? "", seq };
}
