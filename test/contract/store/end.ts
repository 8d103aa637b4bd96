import { describe, expect, test } from "vitest";
import { Bell } from "./bell.js";
import { bob, draft, send } from "./drafts.js";
import { listTexts } from "./history.js";
import { openStore, type StoreTechnology } from "./technology.js";
import { peersOf } from "./records.js";

export function defineEndContract(technology: StoreTechnology): void {
  describe("a store", () => {
    test("says that it takes messages, and what it bounds", async () => {
      const { store } = await openStore(technology, { maxQueueMessages: 7 });
      expect(await store.health()).toMatchObject({
        writable: true,
        problem: "",
        damagedMessages: 0,
        damages: [],
      });
      const maxima = store.info.limits.map(({ name, maximum }) => [name, maximum]);
      expect(maxima).toContainEqual(["queue_messages", 7]);
      expect(maxima.map(([name]) => name)).toContain("queue_bytes");
      expect(maxima.map(([name]) => name)).toContain("mail_bytes");
    });

    test("finishes what was called before it was closed", async () => {
      const { store } = await openStore(technology);
      const calls = Array.from({ length: 20 }, () => send(store));
      const closing = store[Symbol.asyncDispose]();
      expect(await Promise.all(calls)).toHaveLength(20);
      await closing;
    });

    test("is closed once, and refuses every call from then on", async () => {
      const { store } = await openStore(technology);
      const bell = new Bell();
      const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
      await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
      await store[Symbol.asyncDispose]();
      const unavailable = { code: "UNAVAILABLE" };
      const sent = draft();
      await expect(store.queues.enqueue(sent, sent.to)).rejects.toMatchObject(unavailable);
      await expect(peersOf(store)).rejects.toMatchObject(unavailable);
      await expect(listTexts(store)).rejects.toMatchObject(unavailable);
      await expect(store.queues.redrive(bob.peerId, 1n)).rejects.toMatchObject(unavailable);
      await expect(store.queues.drop(bob.peerId, 1n)).rejects.toMatchObject(unavailable);
      await expect(store.history.nextExpiryMs()).rejects.toMatchObject(unavailable);
      const listing = store.history.listExpired({ after: undefined, limit: 1 });
      await expect(listing).rejects.toMatchObject(unavailable);
      expect(await reader.next({ maxMessages: 1, maxBytes: 1 })).toEqual([]);
      expect((await store.health()).writable).toBe(false);
      expect(bell.rings).toBe(0);
    });
  });
}
