import { describe, expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { Bell, silent } from "./bell.js";
import { accepted, ample, bob, carol, draft, peerRef, send, sendFirst, texts } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

export function defineQueueContract(technology: StoreTechnology): void {
  describe("a queue's reader", () => {
    test("hands out the oldest messages first, each once, within the credit for messages", async () => {
      const { store } = await openStore(technology);
      for (const text of ["1", "2", "3"]) await send(store, { text });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(texts(await reader.next({ ...ample, maxMessages: 2 }))).toEqual(["1", "2"]);
      expect(texts(await reader.next({ ...ample, maxMessages: 2 }))).toEqual(["3"]);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("keeps to the credit for bytes, and lets one message through", async () => {
      const { store } = await openStore(technology);
      for (const text of ["a", "b", "c"]) await send(store, { text: text.repeat(1000) });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      const [first, ...others] = await reader.next({ maxMessages: 10, maxBytes: 10 });
      expect(others).toEqual([]);
      expect(first?.sizeBytes).toBeGreaterThan(1000);
      const two = { maxMessages: 10, maxBytes: 2 * first!.sizeBytes };
      expect(await reader.next(two)).toHaveLength(2);
    });

    test("does not pass over a message that the credit for bytes excludes", async () => {
      const { store } = await openStore(technology);
      for (const text of ["small", "large".repeat(500), "tiny"]) await send(store, { text });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(texts(await reader.next({ maxMessages: 10, maxBytes: 1000 }))).toEqual(["small"]);
    });

    test("leases what it hands out", async () => {
      const { store, clock } = await openStore(technology);
      const { seq } = await sendFirst(store);
      clock.advance(5);
      const [queued] = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(queued).toMatchObject({ redelivered: false, receipt: { state: ReceiptState.LEASED } });
      expect((await store.history.getReceipt(bob.peerId, seq))?.receipt).toEqual(queued?.receipt);
    });

    test("a new reader starts from the oldest open message and says what was handed out", async () => {
      const { store } = await openStore(technology);
      for (const text of ["1", "2", "3"]) await send(store, { text });
      const [, second] = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next({ ...ample, maxMessages: 2 });
      await store.queues.advance(bob.peerId, second!.receipt.seq, {
        state: ReceiptState.PRESENTED,
      });
      const messages = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(texts(messages)).toEqual(["1", "2", "3"]);
      expect(messages.map(({ redelivered }) => redelivered)).toEqual([true, true, false]);
      expect(messages[1]?.receipt.state).toBe(ReceiptState.PRESENTED);
    });

    test("opening another reader closes the first", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const first = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      const underWay = first.next(ample);
      const newBell = new Bell();
      const second = store.queues.open({ peerId: bob.peerId, epoch: 1 }, newBell);
      expect(await underWay).toEqual([]);
      await send(store, { text: "1" });
      await newBell.heard();
      expect(bell.rings).toBe(0);
      expect(await first.next(ample)).toEqual([]);
      expect(await first.backlog()).toEqual({ unread: 0, senders: [] });
      first.close();
      expect(texts(await second.next(ample))).toEqual(["1"]);
    });

    test("what a replaced reader was about to hand out goes to its successor", async () => {
      const { store } = await openStore(technology);
      await send(store, { text: "1" });
      const underWay = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
      const second = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await underWay).toEqual([]);
      expect(texts(await second.next(ample))).toEqual(["1"]);
    });

    test.each([
      ReceiptState.CONFIRMED,
      ReceiptState.ANSWERED,
      ReceiptState.EXPIRED,
      ReceiptState.DEAD_LETTERED,
    ])("does not offer a message in state %i", async (state) => {
      const { store, reopen } = await openStore(technology);
      const { seq } = await sendFirst(store);
      await store.queues.advance(bob.peerId, seq, { state });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await reader.next(ample)).toEqual([]);
      expect(await reader.backlog()).toEqual({ unread: 0, senders: [] });
      if (!technology.isDurable) return;
      const reopened = await reopen();
      expect(
        await reopened.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample),
      ).toEqual([]);
    });

    testReopened(technology, "offers open messages again after a restart", async () => {
      const { store, reopen } = await openStore(technology);
      for (const text of ["1", "2", "3"]) await send(store, { text });
      const [first] = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next({ ...ample, maxMessages: 2 });
      await store.queues.advance(bob.peerId, first!.receipt.seq, { state: ReceiptState.CONFIRMED });
      const reopened = await reopen();
      const messages = await reopened.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .next(ample);
      expect(texts(messages)).toEqual(["2", "3"]);
      expect(messages.map(({ redelivered }) => redelivered)).toEqual([true, false]);
    });

    test("readers of different queues do not meet", async () => {
      const { store } = await openStore(technology);
      await send(store, { to: [bob, carol], text: "both" });
      await send(store, { to: [carol], text: "one" });
      const [bobs, carols] = await Promise.all(
        [bob, carol].map(({ peerId }) =>
          store.queues.open({ peerId, epoch: 1 }, silent).next(ample),
        ),
      );
      expect(texts(bobs!)).toEqual(["both"]);
      expect(texts(carols!)).toEqual(["both", "one"]);
    });
  });

  describe("of readers of one queue", () => {
    test("the one of the later epoch reads, whichever is opened last", async () => {
      const { store } = await openStore(technology);
      await send(store, { text: "1" });
      const later = store.queues.open({ peerId: bob.peerId, epoch: 2 }, silent);
      const bell = new Bell();
      const stale = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      expect(await stale.next(ample)).toEqual([]);
      expect(texts(await later.next(ample))).toEqual(["1"]);
      await send(store, { text: "2" });
      expect(texts(await later.next(ample))).toEqual(["2"]);
      expect(bell.rings).toBe(0);
      const newest = store.queues.open({ peerId: bob.peerId, epoch: 3 }, silent);
      expect(await later.next(ample)).toEqual([]);
      expect(texts(await newest.next(ample))).toEqual(["1", "2"]);
    });
  });

  describe("a reader that waits with credit", () => {
    test("gets a message that is leased with its acceptance, which says QUEUED", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      expect(await reader.next(ample)).toEqual([]);
      const sent = draft({ text: "1", to: [bob, carol] });
      const [forBob, forCarol] = (await store.queues.enqueue(sent, sent.to)).map(accepted);
      expect(forBob?.receipt.state).toBe(ReceiptState.QUEUED);
      expect(forBob?.receipt.leasedTime).toBeUndefined();
      const stateOf = async (peerId: string, seq: bigint) =>
        (await store.history.getReceipt(peerId, seq))?.receipt.state;
      expect(await stateOf(bob.peerId, forBob!.receipt.seq)).toBe(ReceiptState.LEASED);
      expect(await stateOf(carol.peerId, forCarol!.receipt.seq)).toBe(ReceiptState.QUEUED);
      await bell.heard();
      const [queued, ...others] = await reader.next(ample);
      expect(others).toEqual([]);
      expect(queued).toMatchObject({ redelivered: false, message: { text: "1" } });
      expect(queued?.receipt.state).toBe(ReceiptState.LEASED);
      expect(queued?.receipt.leasedTime).toBeDefined();
      expect(await reader.next(ample)).toEqual([]);
      expect(await reader.backlog()).toEqual({ unread: 0, senders: [] });
    });

    test("has a repeated message handed out once", async () => {
      const { store } = await openStore(technology);
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await reader.next(ample)).toEqual([]);
      const sent = draft({ text: "1" });
      const repeats = [1, 2, 3].map(() => store.queues.enqueue(sent, sent.to));
      const [first, ...again] = (await Promise.all(repeats)).map(([result]) => accepted(result));
      expect(first?.duplicate).toBe(false);
      expect(again.map(({ duplicate }) => duplicate)).toEqual([true, true]);
      expect(texts(await reader.next(ample))).toEqual(["1"]);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("gets no more by it than the credit, and the rest in order", async () => {
      const { store } = await openStore(technology);
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      const two = { ...ample, maxMessages: 2 };
      expect(await reader.next(two)).toEqual([]);
      const sent = ["1", "2", "3", "4"];
      const ids = await Promise.all(sent.map((text) => sendFirst(store, { text })));
      const receipts = await Promise.all(
        ids.map(({ seq }) => store.history.getReceipt(bob.peerId, seq)),
      );
      const { LEASED, QUEUED } = ReceiptState;
      expect(receipts.map((one) => one?.receipt.state)).toEqual([LEASED, LEASED, QUEUED, QUEUED]);
      expect(texts(await reader.next({ ...ample, maxMessages: 1 }))).toEqual(["1"]);
      expect(texts(await reader.next(ample))).toEqual(["2"]);
      expect(texts(await reader.next(ample))).toEqual(["3", "4"]);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("meets what is larger than its credit for bytes after what fits", async () => {
      const { store } = await openStore(technology);
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await reader.next({ maxMessages: 10, maxBytes: 1500 })).toEqual([]);
      const sizes = ["small", "large".repeat(500), "tiny"];
      await Promise.all(sizes.map((text) => send(store, { text })));
      const read = [await reader.next(ample), await reader.next(ample)];
      expect(read.map(texts)).toEqual([["small"], sizes.slice(1)]);
    });

    test("leaves to its successor what it had not handed out", async () => {
      const { store } = await openStore(technology);
      const first = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await first.next(ample)).toEqual([]);
      await send(store, { text: "1" });
      const sending = send(store, { text: "2" });
      const second = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      await sending;
      const messages = await second.next(ample);
      expect(texts(messages)).toEqual(["1", "2"]);
      expect(messages.map(({ redelivered }) => redelivered)).toEqual([true, true]);
    });

    test("does not hand out what was closed before", async () => {
      const { store } = await openStore(technology);
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await reader.next(ample)).toEqual([]);
      const { seq } = await sendFirst(store, { text: "1" });
      await send(store, { text: "2" });
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.EXPIRED });
      expect(texts(await reader.next(ample))).toEqual(["2"]);
    });

    test("meets a redriven message once, whatever it was given meanwhile", async () => {
      const { store } = await openStore(technology);
      const { seq } = await sendFirst(store, { text: "dead" });
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.DEAD_LETTERED });
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      expect(await reader.next(ample)).toEqual([]);
      const read: string[] = [];
      const sending = send(store, { text: "before" });
      const redriving = store.queues.redrive(bob.peerId, seq);
      const later = send(store, { text: "after" });
      while (read.length < 3) {
        const messages = await reader.next(ample);
        read.push(...texts(messages));
        if (messages.length === 0) await bell.heard();
      }
      await Promise.all([sending, redriving, later]);
      expect(read.toSorted()).toEqual(["after", "before", "dead"]);
      expect(await reader.next(ample)).toEqual([]);
    });
  });

  describe("a queue's wake", () => {
    test("tells of a message, in a turn of its own", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      expect(await reader.next(ample)).toEqual([]);
      const sending = send(store, { text: "1" });
      const reading = reader.next(ample);
      expect(bell.rings).toBe(0);
      await sending;
      expect(bell.rings).toBe(0);
      await bell.heard();
      expect(texts([...(await reading), ...(await reader.next(ample))])).toEqual(["1"]);
    });

    test("no message is missed however sends and reads meet", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      const sent = Array.from({ length: 60 }, (_, index) => String(index));
      const sending = (async () => {
        for (const text of sent) await send(store, { text });
      })();
      const read: string[] = [];
      while (read.length < sent.length) {
        const messages = await reader.next({ ...ample, maxMessages: 3 });
        read.push(...texts(messages));
        if (messages.length === 0) await bell.heard();
      }
      expect(read).toEqual(sent);
      await sending;
    });

    test("stays silent once the reader is closed", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      await send(store);
      await bell.heard();
      const [queued] = await reader.next(ample);
      reader.giveBack(queued!.receipt.seq, 1);
      reader.close();
      reader.close();
      await send(store);
      await store.health();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(bell.rings).toBe(1);
      expect(await reader.next(ample)).toEqual([]);
    });
  });

  describe("giving back", () => {
    test("makes a message be handed out again, before younger ones", async () => {
      const { store } = await openStore(technology);
      for (const text of ["1", "2", "3"]) await send(store, { text });
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      const [first, second] = await reader.next({ ...ample, maxMessages: 2 });
      reader.giveBack(second!.receipt.seq, 0);
      reader.giveBack(first!.receipt.seq, 0);
      await bell.heard();
      const again = await reader.next(ample);
      expect(texts(again)).toEqual(["1", "2", "3"]);
      expect(again.map(({ redelivered }) => redelivered)).toEqual([true, true, false]);
      expect(await reader.next(ample)).toEqual([]);
    });

    test("waits for the delay, and wakes then", async () => {
      const { store, clock } = await openStore(technology);
      await send(store, { text: "1" });
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      const [queued] = await reader.next(ample);
      reader.giveBack(queued!.receipt.seq, 60);
      clock.advance(59);
      expect(await reader.next(ample)).toEqual([]);
      expect(await reader.backlog()).toEqual({ unread: 0, senders: [] });
      expect(bell.rings).toBe(0);
      clock.advance(1);
      await bell.heard();
      expect(texts(await reader.next(ample))).toEqual(["1"]);
    });

    test("what the credit leaves given back stays so", async () => {
      const { store } = await openStore(technology);
      for (const text of ["1", "2"]) await send(store, { text });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      for (const { receipt } of await reader.next(ample)) reader.giveBack(receipt.seq, 0);
      const one = { ...ample, maxMessages: 1 };
      expect(texts(await reader.next(one))).toEqual(["1"]);
      expect(texts(await reader.next(one))).toEqual(["2"]);
      expect(await reader.next(one)).toEqual([]);
    });

    test("of a closed message, or of one not handed out, changes nothing", async () => {
      const { store } = await openStore(technology);
      const first = await sendFirst(store, { text: "1" });
      const second = await sendFirst(store, { text: "2" });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      reader.giveBack(second.seq, 0);
      expect(texts(await reader.next(ample))).toEqual(["1", "2"]);
      await store.queues.advance(bob.peerId, first.seq, { state: ReceiptState.CONFIRMED });
      reader.giveBack(first.seq, 0);
      expect(await reader.next(ample)).toEqual([]);
    });
  });

  describe("what waits", () => {
    test("a backlog counts what was not handed out and names its senders, oldest first", async () => {
      const { store } = await openStore(technology);
      const senders = ["dave", "erin", "dave", "carol", "erin"].map(peerRef);
      for (const from of senders) await send(store, { from });
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      expect(await reader.backlog()).toEqual({
        unread: 5,
        senders: named("dave", "erin", "carol"),
      });
      const [first] = await reader.next({ ...ample, maxMessages: 3 });
      expect(await reader.backlog()).toEqual({ unread: 2, senders: named("carol", "erin") });
      reader.giveBack(first!.receipt.seq, 0);
      expect(await reader.backlog()).toEqual({
        unread: 3,
        senders: named("dave", "carol", "erin"),
      });
      await reader.next(ample);
      expect(await reader.backlog()).toEqual({ unread: 0, senders: [] });
    });

    test("a backlog names at most 8 senders", async () => {
      const { store } = await openStore(technology);
      const senders = Array.from({ length: 10 }, (_, index) => peerRef(`p${index}`));
      for (const from of senders) await send(store, { from });
      const { unread, senders: names } = await store.queues
        .open({ peerId: bob.peerId, epoch: 1 }, silent)
        .backlog();
      expect(unread).toBe(10);
      expect(names).toEqual(named(...senders.slice(0, 8).map(({ name }) => name)));
    });

    test("counts what has not been presented", async () => {
      const { store } = await openStore(technology);
      const first = await sendFirst(store);
      await send(store, draft({ to: [bob, carol] }));
      await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
      const count = async () => {
        const counts = await store.queues.countWaiting([bob.peerId, carol.peerId, "nobody"]);
        return [bob.peerId, carol.peerId, "nobody"].map((peerId) => counts.get(peerId) ?? 0);
      };
      expect(await count()).toEqual([2, 1, 0]);
      await store.queues.advance(bob.peerId, first.seq, { state: ReceiptState.PRESENTED });
      expect(await count()).toEqual([1, 1, 0]);
      await store.queues.advance(bob.peerId, first.seq, { state: ReceiptState.CONFIRMED });
      expect(await count()).toEqual([1, 1, 0]);
    });
  });
}

function named(...names: string[]): { peerId: string; name: string }[] {
  return names.map((name) => ({ peerId: peerRef(name).peerId, name }));
}
