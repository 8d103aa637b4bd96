import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { silent } from "./bell.js";
import { ReceiptState, Urgency } from "../../../gen/peerline/v1/message_pb.js";
import {
  accepted,
  alice,
  ample,
  bob,
  carol,
  draft,
  peerRef,
  send,
  sendFirst,
  texts,
} from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

export function defineEnqueueContract(technology: StoreTechnology): void {
  describe("enqueue", () => {
    test("stamps a message and says where it stands for each recipient, in their order", async () => {
      const { store, clock } = await openStore(technology);
      const sent = draft({
        to: [carol, bob],
        text: "grüße\u0000 🜂",
        data: { answer: 42, list: [true, null, "x"] },
        threadId: "thread",
        inReplyTo: "before",
        urgency: Urgency.INTERRUPT,
      });
      const results = (await store.queues.enqueue(sent, sent.to)).map(accepted);

      expect(results.map(({ receipt }) => receipt.recipient)).toEqual([carol, bob]);
      for (const { message, receipt, duplicate } of results) {
        const { messageId, from, to, text, data, threadId, inReplyTo, urgency } = sent;
        expect(message).toMatchObject({ messageId, from, to, text, data, threadId, inReplyTo });
        expect(message.urgency).toBe(urgency);
        expect(timestampMs(message.acceptTime!)).toBe(clock.now());
        expect(timestampMs(message.expireTime!)).toBe(clock.now() + sent.expiresInMs);
        expect(receipt).toMatchObject({ state: ReceiptState.QUEUED, attempts: 0, reason: "" });
        expect(timestampMs(receipt.queuedTime!)).toBe(clock.now());
        expect(receipt.leasedTime).toBeUndefined();
        expect(duplicate).toBe(false);
      }
    });

    test("a recipient who is added later waits no longer than the first", async () => {
      const { store, clock } = await openStore(technology);
      const sent = draft();
      const [first] = (await store.queues.enqueue(sent, [bob])).map(accepted);
      clock.advance(sent.expiresInMs - 1000);
      const [added] = (await store.queues.enqueue(sent, [carol])).map(accepted);
      expect(added).toMatchObject({ duplicate: false, message: first!.message });
      clock.advance(1000);
      const expired = await store.history.listExpired({ after: undefined, limit: 10 });
      expect(expired.map(({ peerId }) => peerId)).toEqual([bob.peerId, carol.peerId]);
    });

    test("a repeat changes nothing and tells the message and receipt as they stand", async () => {
      const { store, clock } = await openStore(technology);
      const sent = draft();
      const [first] = (await store.queues.enqueue(sent, sent.to)).map(accepted);
      await store.queues.advance(bob.peerId, first!.receipt.seq, { state: ReceiptState.PRESENTED });
      clock.advance(1000);

      const [repeat] = (await store.queues.enqueue(sent, sent.to)).map(accepted);
      expect(repeat).toMatchObject({ duplicate: true, message: first!.message });
      expect(repeat!.receipt).toMatchObject({
        seq: first!.receipt.seq,
        state: ReceiptState.PRESENTED,
      });
      const messages = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(messages).toHaveLength(1);
    });

    test("repeats that meet store the message once", async () => {
      const { store } = await openStore(technology);
      const sent = draft({ to: [bob, carol] });
      const calls = Array.from({ length: 20 }, () => store.queues.enqueue(sent, sent.to));
      const results = (await Promise.all(calls)).flat().map(accepted);
      expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(2);
      expect(new Set(results.map(({ receipt }) => receipt.seq)).size).toBe(2);
    });

    test("a repeat reaches a recipient that the first call did not", async () => {
      const { store, clock } = await openStore(technology);
      const sent = draft({ to: [bob] });
      const [first] = (await store.queues.enqueue(sent, [bob])).map(accepted);
      clock.advance(1000);
      const [again, added] = (
        await store.queues.enqueue({ ...sent, to: [bob, carol] }, [bob, carol])
      ).map(accepted);
      expect(again?.duplicate).toBe(true);
      expect(added).toMatchObject({ duplicate: false, message: first!.message });
      expect(timestampMs(added!.receipt.queuedTime!)).toBe(clock.now());
      const [queued] = await store.queues
        .open({ peerId: carol.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(queued?.message).toEqual(first!.message);
    });

    test("a message shows the receipts of all to whom it was sent, also by repeats", async () => {
      const { store, reopen } = await openStore(technology);
      const dave = peerRef("dave");
      const sent = draft({ to: [bob] });
      await store.queues.enqueue(sent, [bob]);
      await store.queues.enqueue({ ...sent, to: [carol, dave] }, [carol, dave]);
      const show = async (present: Store): Promise<string[][]> => {
        const query = { messageId: sent.messageId, senders: [], viewer: "", limit: 2 };
        const records = await present.history.find(query);
        return records.map(({ receipts }) =>
          receipts.map(({ recipient }) => recipient?.peerId ?? ""),
        );
      };
      const all = [[bob, carol, dave].map(({ peerId }) => peerId)];
      expect(await show(store)).toEqual(all);
      if (technology.isDurable) expect(await show(await reopen())).toEqual(all);
    });

    test("the same id with other content is refused for every recipient", async () => {
      const { store } = await openStore(technology);
      const messageId = await send(store, { text: "one" });
      const other = draft({ messageId, text: "two", to: [bob, carol] });
      for (const result of await store.queues.enqueue(other, other.to)) {
        expect(result).toMatchObject({ ok: false, error: { code: "MESSAGE_ID_REUSED" } });
      }
      expect(
        await store.queues.open({ peerId: carol.peerId, epoch: 1 }, silent).next(ample),
      ).toEqual([]);
      expect(
        texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample)),
      ).toEqual(["one"]);
    });

    test("the same id of another sender is another message", async () => {
      const { store } = await openStore(technology);
      const messageId = await send(store, { text: "one" });
      await send(store, { messageId, text: "two", from: carol });
      const messages = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(texts(messages)).toEqual(["one", "two"]);
    });

    test("a full queue refuses without harm to the other recipients, until there is room", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 2 });
      const first = await sendFirst(store);
      await send(store, { from: carol });
      const both = draft({ to: [bob, carol] });
      const [full, taken] = await store.queues.enqueue(both, both.to);
      expect(full).toMatchObject({ ok: false, error: { code: "QUEUE_FULL" } });
      expect(taken).toMatchObject({ ok: true });

      await store.queues.advance(first.peerId, first.seq, { state: ReceiptState.PRESENTED });
      expect((await store.queues.enqueue(both, both.to))[0]).toMatchObject({ ok: false });
      await store.queues.advance(first.peerId, first.seq, { state: ReceiptState.CONFIRMED });
      const [again, repeat] = (await store.queues.enqueue(both, both.to)).map(accepted);
      expect([again?.duplicate, repeat?.duplicate]).toEqual([false, true]);
    });

    test("a queue is full at its bytes, too", async () => {
      const { store } = await openStore(technology, { maxQueueBytes: 2500 });
      const text = "x".repeat(1000);
      await send(store, { text });
      const { peerId, seq } = await sendFirst(store, { text, from: carol });
      const third = draft({ text, from: peerRef("dave") });
      const [full] = await store.queues.enqueue(third, third.to);
      expect(full).toMatchObject({ ok: false, error: { code: "QUEUE_FULL" } });
      await store.queues.advance(peerId, seq, { state: ReceiptState.EXPIRED });
      const [taken] = await store.queues.enqueue(third, third.to);
      expect(taken).toMatchObject({ ok: true, duplicate: false });
    });

    test("a message that nobody accepted is not kept, and its id is free", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 1 });
      await send(store);
      const refused = draft({ text: "one" });
      expect((await store.queues.enqueue(refused, refused.to))[0]).toMatchObject({ ok: false });
      await send(store, { messageId: refused.messageId, text: "two", to: [carol] });
    });

    test("keeps the order of each sender when many send at once", async () => {
      const { store } = await openStore(technology);
      const senders = [alice, carol, peerRef("dave")];
      const sends = Array.from({ length: 120 }, (_, index) =>
        send(store, { from: senders[index % 3]!, text: String(index) }),
      );
      await Promise.all(sends);
      const messages = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      const seqs = messages.map(({ receipt }) => receipt.seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => Number(a - b)));
      for (const sender of senders) {
        const sent = messages.filter(({ message }) => message.from?.peerId === sender.peerId);
        const order = sent.map(({ message }) => Number(message.text));
        expect(order).toHaveLength(40);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
    });

    testReopened(technology, "knows a repeated id after it was reopened", async () => {
      const { store, reopen } = await openStore(technology);
      const sent = draft();
      const [first] = (await store.queues.enqueue(sent, sent.to)).map(accepted);
      const reopened = await reopen();
      const [repeat] = (await reopened.queues.enqueue(sent, sent.to)).map(accepted);
      expect(repeat).toEqual({ ...first, duplicate: true });
    });
  });
}
