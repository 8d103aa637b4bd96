import { describe, expect, test } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { alice, bob, carol, send } from "./drafts.js";
import { openStore, type StoreTechnology } from "./technology.js";

const first = "019a0000-0000-7000-8000-0000aaaa1111";
const second = "019a0000-0000-7000-8000-1111aaaa1111";

export function defineLookupContract(technology: StoreTechnology): void {
  describe("a lookup by id", () => {
    test("finds a whole id and a suffix of 8 characters or more, oldest first", async () => {
      const store = await withTwo(technology);
      expect(await find(store, { messageId: first })).toEqual(["one"]);
      expect(await find(store, { messageId: first.slice(-12) })).toEqual(["one"]);
      expect(await find(store, { messageId: "aaaa1111" })).toEqual(["one", "two"]);
      expect(await find(store, { messageId: "aaa1111" })).toEqual([]);
      expect(await find(store, { messageId: "bbbb1111" })).toEqual([]);
      expect(await find(store, { messageId: `x${first}` })).toEqual([]);
    });

    test("finds at most as many as asked for", async () => {
      const store = await withTwo(technology);
      expect(await find(store, { messageId: "aaaa1111", limit: 1 })).toEqual(["one"]);
    });

    test("finds only what the viewer sent or received", async () => {
      const store = await withTwo(technology);
      const messageId = "aaaa1111";
      expect(await find(store, { messageId, viewer: alice.peerId })).toEqual(["one", "two"]);
      expect(await find(store, { messageId, viewer: bob.peerId })).toEqual(["one"]);
      expect(await find(store, { messageId, viewer: carol.peerId })).toEqual(["two"]);
      expect(await find(store, { messageId, viewer: "nobody" })).toEqual([]);
    });

    test("finds only what the senders sent, by their ids or the names they had", async () => {
      const store = await withTwo(technology);
      const messageId = "aaaa1111";
      expect(await find(store, { messageId, senders: [carol.peerId] })).toEqual(["two"]);
      expect(await find(store, { messageId, senders: ["carol"] })).toEqual(["two"]);
      expect(await find(store, { messageId, senders: ["x", "alice"] })).toEqual(["one"]);
      expect(await find(store, { messageId: first, senders: [carol.peerId] })).toEqual([]);
    });
  });
}

/** A store with one message from alice to bob and one from carol to alice. */
async function withTwo(technology: StoreTechnology): Promise<Store> {
  const { store } = await openStore(technology);
  await send(store, { messageId: first, text: "one", from: alice, to: [bob] });
  await send(store, { messageId: second, text: "two", from: carol, to: [alice] });
  return store;
}

async function find(
  store: Store,
  query: Partial<Parameters<Store["history"]["find"]>[0]> & { messageId: string },
): Promise<(string | undefined)[]> {
  const records = await store.history.find({ senders: [], viewer: "", limit: 10, ...query });
  return records.map(({ message }) => message?.text);
}
