import { describe, expect, test } from "vitest";
import { type MessageRecord, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { HistoryQuery } from "../../../src/broker/store/history.js";
import type { Store } from "../../../src/broker/store/store.js";
import { accepted, alice, bob, carol, draft, send, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

const { QUEUED, CONFIRMED, EXPIRED, DEAD_LETTERED } = ReceiptState;

export function defineHistoryContract(technology: StoreTechnology): void {
  describe("history", () => {
    test("lists messages newest first, with the receipts of all recipients", async () => {
      const { store } = await openStore(technology);
      await send(store, { text: "1", to: [bob, carol] });
      await send(store, { text: "2", from: bob, to: [alice] });
      const { records, next } = await store.history.list(query());
      expect(textsOf(records)).toEqual(["2", "1"]);
      expect(records[1]?.receipts.map(({ recipient }) => recipient)).toEqual([bob, carol]);
      expect(next).toBe("");
    });

    test("reading moves nothing", async () => {
      const { store } = await openStore(technology);
      const { peerId, seq, messageId } = await sendFirst(store);
      await store.history.list(query({ viewer: bob.peerId }));
      await store.history.find({ messageId, senders: [], viewer: "", limit: 1 });
      expect((await store.history.getReceipt(peerId, seq))?.receipt.state).toBe(
        ReceiptState.QUEUED,
      );
    });

    test("pages hold every message once, while more arrive", async () => {
      const { store } = await openStore(technology);
      const sent = Array.from({ length: 10 }, (_, index) => String(index));
      for (const text of sent) await send(store, { text });
      const read: string[] = [];
      let cursor = "";
      do {
        const { records, next } = await store.history.list(query({ limit: 3, cursor }));
        read.push(...textsOf(records));
        await send(store, { text: "late" });
        cursor = next;
      } while (cursor !== "");
      expect(read).toEqual(sent.toReversed());
    });

    test("a full page that is the last says so", async () => {
      const { store } = await openStore(technology);
      for (const text of ["1", "2"]) await send(store, { text });
      expect((await store.history.list(query({ limit: 2 }))).next).toBe("");
      expect((await store.history.list(query({ limit: 1 }))).next).not.toBe("");
    });

    test("a page keeps to its bytes, and holds one message at least", async () => {
      const { store } = await openStore(technology);
      for (const text of ["a", "b", "c"]) await send(store, { text: text.repeat(1000) });
      const small = await store.history.list(query({ maxBytes: 10 }));
      expect(small.records).toHaveLength(1);
      const rest = await store.history.list(query({ maxBytes: 3000, cursor: small.next }));
      expect(rest.records).toHaveLength(2);
      expect(rest.next).toBe("");
    });

    test("shows each viewer what it sent or received", async () => {
      const { store } = await openStore(technology);
      await send(store, { text: "a to b", from: alice, to: [bob] });
      await send(store, { text: "b to a", from: bob, to: [alice] });
      await send(store, { text: "a to c", from: alice, to: [carol] });
      await send(store, { text: "c to a, b", from: carol, to: [alice, bob], threadId: "t" });
      await send(store, { text: "c to c", from: carol, to: [carol], threadId: "t" });
      const list = async (given: Partial<HistoryQuery>) =>
        textsOf((await store.history.list(query(given))).records);

      expect(await list({ viewer: bob.peerId })).toEqual(["c to a, b", "b to a", "a to b"]);
      expect(await list({ viewer: carol.peerId })).toEqual(["c to c", "c to a, b", "a to c"]);
      expect(await list({ peer: bob.peerId })).toEqual(["c to a, b", "b to a", "a to b"]);
      expect(await list({ viewer: carol.peerId, peer: bob.peerId })).toEqual(["c to a, b"]);
      expect(await list({ viewer: bob.peerId, peer: alice.peerId })).toHaveLength(3);
      expect(await list({ threadId: "t" })).toEqual(["c to c", "c to a, b"]);
      expect(await list({ threadId: "t", viewer: bob.peerId })).toEqual(["c to a, b"]);
      expect(await list({ threadId: "t", viewer: carol.peerId, peer: alice.peerId })).toEqual([
        "c to a, b",
      ]);
      expect(await list({ viewer: "nobody" })).toEqual([]);
      expect(await list({ threadId: "none" })).toEqual([]);
    });

    test("finds what stands in a state, as far as the viewer may know", async () => {
      const { store } = await openStore(technology);
      const texts = ["queued", "dead", "dead for carol", "expired", "confirmed", "dead in t"];
      const sent = new Map<string, Awaited<ReturnType<typeof sendFirst>>>();
      for (const text of texts) {
        const to = text === "dead for carol" ? [carol, bob] : [bob];
        const threadId = text === "dead in t" ? "t" : "other";
        sent.set(text, await sendFirst(store, { text, to, threadId }));
      }
      for (const [text, { peerId, seq }] of sent) {
        if (text.startsWith("dead"))
          await store.queues.advance(peerId, seq, { state: DEAD_LETTERED });
        if (text === "expired") await store.queues.advance(peerId, seq, { state: EXPIRED });
        if (text === "confirmed") await store.queues.advance(peerId, seq, { state: CONFIRMED });
      }
      const list = async (given: Partial<HistoryQuery>) =>
        textsOf((await store.history.list(query(given))).records);

      expect(await list({ state: DEAD_LETTERED })).toEqual(["dead in t", "dead for carol", "dead"]);
      expect(await list({ state: EXPIRED })).toEqual(["expired"]);
      expect(await list({ state: QUEUED })).toEqual(["dead for carol", "queued"]);
      expect(await list({ state: CONFIRMED, viewer: bob.peerId })).toEqual(["confirmed"]);
      expect(await list({ state: CONFIRMED, viewer: carol.peerId })).toEqual([]);
      expect(await list({ state: CONFIRMED, threadId: "other" })).toEqual(["confirmed"]);
      expect(await list({ state: CONFIRMED, peer: bob.peerId })).toEqual(["confirmed"]);
      const dead = { state: DEAD_LETTERED };
      expect(await list({ ...dead, viewer: carol.peerId })).toEqual(["dead for carol"]);
      // It is dead for carol alone, and bob is not told where it stands for her.
      expect(await list({ ...dead, viewer: bob.peerId, peer: carol.peerId })).toEqual([]);
      expect(await list({ ...dead, threadId: "t" })).toEqual(["dead in t"]);

      const first = await store.history.list(query({ ...dead, limit: 2 }));
      const second = await store.history.list(query({ ...dead, limit: 2, cursor: first.next }));
      expect(textsOf([...first.records, ...second.records])).toHaveLength(3);
      expect(second.next).toBe("");
    });

    test("a message stands in a state once, however many of its receipts do", async () => {
      const { store } = await openStore(technology);
      const sent = draft({ to: [bob, carol] });
      for (const result of await store.queues.enqueue(sent, sent.to)) {
        const { receipt } = accepted(result);
        await store.queues.advance(receipt.recipient!.peerId, receipt.seq, {
          state: DEAD_LETTERED,
        });
      }
      const { records } = await store.history.list(query({ state: DEAD_LETTERED }));
      expect(records.map(({ receipts }) => receipts.length)).toEqual([2]);
    });

    test.each(["x", "1", "-1-0", "zzzzzzzzzzzzzzzz", "1-1-1", "é"])(
      "refuses the cursor %o",
      async (cursor) => {
        const { store } = await openStore(technology);
        const listing = store.history.list(query({ cursor }));
        await expect(listing).rejects.toMatchObject({ code: "INVALID_CURSOR" });
      },
    );

    testReopened(technology, "a cursor outlives the store", async () => {
      const { store, reopen } = await openStore(technology);
      for (const text of ["1", "2"]) await send(store, { text });
      const { next } = await store.history.list(query({ limit: 1 }));
      const reopened = await reopen();
      const { records } = await reopened.history.list(query({ cursor: next }));
      expect(textsOf(records)).toEqual(["1"]);
    });
  });
}

function query(given: Partial<HistoryQuery> = {}): HistoryQuery {
  const any = { viewer: "", peer: "", threadId: "", state: ReceiptState.UNSPECIFIED, cursor: "" };
  return { ...any, limit: 50, maxBytes: 1024 * 1024, ...given };
}

export async function listTexts(store: Store): Promise<string[]> {
  return textsOf((await store.history.list(query())).records);
}

function textsOf(records: readonly MessageRecord[]): string[] {
  return records.map(({ message }) => message?.text ?? "");
}
