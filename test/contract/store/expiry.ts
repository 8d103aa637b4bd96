import { describe, expect, test } from "vitest";
import type { ExpiryKey } from "../../../src/broker/store/history.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { silent } from "./bell.js";
import { ample, bob, carol, send, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

const { PRESENTED, CONFIRMED, EXPIRED, DEAD_LETTERED } = ReceiptState;

export function defineExpiryContract(technology: StoreTechnology): void {
  describe("expiry", () => {
    test("lists what expired before it was presented, the longest past first", async () => {
      const { store, clock } = await openStore(technology);
      const startMs = clock.now();
      const late = await sendFirst(store, { expiresInMs: 300 });
      const early = await sendFirst(store, { expiresInMs: 100, to: [carol] });
      const leased = await sendFirst(store, { expiresInMs: 200 });
      await send(store, { expiresInMs: 1000 });
      await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);

      clock.advance(99);
      expect(await store.history.listExpired({ after: undefined, limit: 10 })).toEqual([]);
      clock.advance(201);
      expect(await store.history.listExpired({ after: undefined, limit: 10 })).toEqual([
        { peerId: carol.peerId, seq: early.seq, expireTimeMs: startMs + 100 },
        { peerId: bob.peerId, seq: leased.seq, expireTimeMs: startMs + 200 },
        { peerId: bob.peerId, seq: late.seq, expireTimeMs: startMs + 300 },
      ]);
    });

    test("lists page by page, also among those of one time", async () => {
      const { store, clock } = await openStore(technology);
      for (let index = 0; index < 3; index += 1) await send(store, { expiresInMs: 5 });
      await send(store, { expiresInMs: 7, to: [bob, carol] });
      clock.advance(10);
      const all = await store.history.listExpired({ after: undefined, limit: 10 });
      const pages: ExpiryKey[][] = [];
      let after: ExpiryKey | undefined;
      do {
        const page = await store.history.listExpired({ after, limit: 2 });
        pages.push(page);
        after = page.at(-1);
      } while (after !== undefined);
      expect(pages.map(({ length }) => length)).toEqual([2, 2, 1, 0]);
      expect(pages.flat()).toEqual(all);
    });

    test.each([PRESENTED, CONFIRMED, EXPIRED, DEAD_LETTERED])(
      "passes over what is in state %i",
      async (state) => {
        const { store, clock } = await openStore(technology);
        const { peerId, seq } = await sendFirst(store, { expiresInMs: 5 });
        await store.queues.advance(peerId, seq, { state });
        clock.advance(10);
        expect(await store.history.listExpired({ after: undefined, limit: 10 })).toEqual([]);
        expect(await store.history.nextExpiryMs()).toBeUndefined();
      },
    );

    test("says when the next one comes, past or not", async () => {
      const { store, clock } = await openStore(technology);
      expect(await store.history.nextExpiryMs()).toBeUndefined();
      const expireTimeMs = clock.now() + 100;
      await send(store, { expiresInMs: 500 });
      const next = await sendFirst(store, { expiresInMs: 100, to: [carol] });
      expect(await store.history.nextExpiryMs()).toBe(expireTimeMs);
      clock.advance(200);
      expect(await store.history.nextExpiryMs()).toBe(expireTimeMs);
      await store.queues.advance(next.peerId, next.seq, { state: EXPIRED });
      expect(await store.history.nextExpiryMs()).toBe(expireTimeMs + 400);
    });

    test("a redriven message expires when it always did", async () => {
      const { store, clock } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store, { expiresInMs: 5 });
      const expireTimeMs = clock.now() + 5;
      await store.queues.advance(peerId, seq, { state: DEAD_LETTERED });
      clock.advance(10);
      await store.queues.redrive(peerId, seq);
      const expired = await store.history.listExpired({ after: undefined, limit: 1 });
      expect(expired).toEqual([{ peerId, seq, expireTimeMs }]);
    });

    testReopened(technology, "goes on when the store was reopened", async () => {
      const { store, clock, reopen } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store, { expiresInMs: 5 });
      const expireTimeMs = clock.now() + 5;
      const reopened = await reopen();
      expect(await reopened.history.nextExpiryMs()).toBe(expireTimeMs);
      clock.advance(10);
      const expired = await reopened.history.listExpired({ after: undefined, limit: 1 });
      expect(expired).toEqual([{ peerId, seq, expireTimeMs }]);
    });
  });
}
