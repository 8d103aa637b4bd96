import { timestampMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfirmedBy, type Receipt, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { alice, bob, carol, sendFirst } from "./drafts.js";
import { openStore, type StoreTechnology, testReopened } from "./technology.js";

const { QUEUED, LEASED, PRESENTED, CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED } = ReceiptState;

export function defineReceiptContract(technology: StoreTechnology): void {
  describe("receipts", () => {
    test("climb the ladder, each rung with its time", async () => {
      const { store, clock } = await openStore(technology);
      const { peerId, seq, messageId } = await sendFirst(store);
      const startMs = clock.now();
      for (const state of [LEASED, PRESENTED, CONFIRMED, ANSWERED]) {
        clock.advance(10);
        expect(await store.queues.advance(peerId, seq, { state })).toMatchObject({
          moved: true,
          from: alice,
          messageId,
          receipt: { state, seq },
        });
      }
      const stands = await store.history.getReceipt(peerId, seq);
      expect(stands).toMatchObject({ moved: false, from: alice, messageId });
      expect(timesOf(stands!.receipt)).toEqual([0, 10, 20, 30, 40].map((ms) => startMs + ms));
      expect(stands!.receipt.endedTime).toBeUndefined();
    });

    test("a rung at or below the present one changes nothing", async () => {
      const { store, clock } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store);
      const confirmed = await store.queues.advance(peerId, seq, {
        state: CONFIRMED,
        confirmedBy: ConfirmedBy.HOOK,
      });
      clock.advance(10);
      for (const state of [QUEUED, LEASED, PRESENTED, CONFIRMED]) {
        const change = { state, confirmedBy: ConfirmedBy.REPLY };
        expect(await store.queues.advance(peerId, seq, change)).toEqual({
          ...confirmed,
          moved: false,
        });
      }
    });

    test("a skipped rung has no time, and the first evidence stays", async () => {
      const { store } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store);
      await store.queues.advance(peerId, seq, {
        state: CONFIRMED,
        confirmedBy: ConfirmedBy.NEXT_CALL,
      });
      const { receipt } = await store.queues.advance(peerId, seq, {
        state: ANSWERED,
        confirmedBy: ConfirmedBy.REPLY,
      });
      expect(receipt.presentedTime).toBeUndefined();
      expect(receipt.confirmedBy).toBe(ConfirmedBy.NEXT_CALL);
    });

    test("nothing moves after an end, and an end is reached from open mail only", async () => {
      const { store } = await openStore(technology);
      const states = [CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED];
      for (const end of [EXPIRED, DEAD_LETTERED]) {
        const { peerId, seq } = await sendFirst(store);
        const ended = await store.queues.advance(peerId, seq, { state: end, reason: "gave up" });
        expect(ended.receipt).toMatchObject({
          state: end,
          reason: end === DEAD_LETTERED ? "gave up" : "",
        });
        expect(ended.receipt.endedTime).toBeDefined();
        for (const state of states) {
          const change = { state, failedAttempt: true, reason: "again" };
          expect(await store.queues.advance(peerId, seq, change)).toEqual({
            ...ended,
            moved: false,
          });
        }
      }
      for (const state of [CONFIRMED, ANSWERED]) {
        const { peerId, seq } = await sendFirst(store);
        await store.queues.advance(peerId, seq, { state });
        for (const end of [EXPIRED, DEAD_LETTERED]) {
          const { moved, receipt } = await store.queues.advance(peerId, seq, { state: end });
          expect([moved, receipt.state]).toEqual([false, state]);
        }
      }
    });

    test("what was presented does not expire, and may be dead-lettered", async () => {
      const { store } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store);
      await store.queues.advance(peerId, seq, { state: PRESENTED });
      const expired = await store.queues.advance(peerId, seq, { state: EXPIRED });
      expect(expired).toMatchObject({ moved: false, receipt: { state: PRESENTED } });
      const dead = await store.queues.advance(peerId, seq, { state: DEAD_LETTERED });
      expect(dead).toMatchObject({ moved: true, receipt: { state: DEAD_LETTERED } });
    });

    test("attempts count, without a move and with one", async () => {
      const { store } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store);
      const counted = await store.queues.advance(peerId, seq, { failedAttempt: true });
      expect(counted).toMatchObject({ moved: false, receipt: { attempts: 1, state: QUEUED } });
      const dead = await store.queues.advance(peerId, seq, {
        failedAttempt: true,
        state: DEAD_LETTERED,
      });
      expect(dead).toMatchObject({ moved: true, receipt: { attempts: 2, state: DEAD_LETTERED } });
    });

    test("the receipts of one message are apart", async () => {
      const { store } = await openStore(technology);
      const { peerId, seq, messageId } = await sendFirst(store, { to: [bob, carol] });
      await store.queues.advance(peerId, seq, { state: CONFIRMED });
      const [record] = await store.history.find({ messageId, senders: [], viewer: "", limit: 1 });
      expect(record?.receipts.map(({ state }) => state)).toEqual([CONFIRMED, QUEUED]);
    });

    test("a delivery that was never made is not found", async () => {
      const { store } = await openStore(technology);
      const { seq } = await sendFirst(store);
      for (const [peerId, unknown] of [
        [carol.peerId, seq],
        [bob.peerId, seq + 1n],
        [bob.peerId, 0n],
        [bob.peerId, 2n ** 64n - 1n],
      ] as const) {
        const advancing = store.queues.advance(peerId, unknown, { state: CONFIRMED });
        await expect(advancing).rejects.toMatchObject({ code: "NOT_FOUND" });
        expect(await store.history.getReceipt(peerId, unknown)).toBeUndefined();
      }
      expect((await store.history.getReceipt(bob.peerId, seq))?.receipt.state).toBe(QUEUED);
    });

    test("the ladder never goes back, whatever is reported", async () => {
      const { store, clock, reopen } = await openStore(technology);
      let current = store;
      const change = fc.record({
        state: fc.constantFrom(
          QUEUED,
          LEASED,
          PRESENTED,
          CONFIRMED,
          ANSWERED,
          EXPIRED,
          DEAD_LETTERED,
        ),
        failedAttempt: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
          const { peerId, seq } = await sendFirst(current);
          let before = (await current.history.getReceipt(peerId, seq))!.receipt;
          for (const one of changes) {
            clock.advance(1);
            const { receipt, moved } = await current.queues.advance(peerId, seq, one);
            expect(receipt.state).toBe(expectedState(before.state, one.state));
            expect(moved).toBe(receipt.state !== before.state);
            const earlier = timesOf(before).filter((ms) => ms !== undefined);
            expect(timesOf(receipt)).toEqual(expect.arrayContaining(earlier));
            const counts = one.failedAttempt && before.state <= PRESENTED ? 1 : 0;
            expect(receipt.attempts).toBe(before.attempts + counts);
            before = receipt;
          }
          expect((await current.history.getReceipt(peerId, seq))?.receipt).toEqual(before);
        }),
        { numRuns: 40 },
      );
      if (technology.isDurable) current = await reopen();
      await sendFirst(current);
    });

    testReopened(technology, "outlive the store", async () => {
      const { store, reopen } = await openStore(technology);
      const { peerId, seq } = await sendFirst(store);
      await store.queues.advance(peerId, seq, { failedAttempt: true, state: PRESENTED });
      const { receipt } = await store.queues.advance(peerId, seq, {
        state: CONFIRMED,
        confirmedBy: ConfirmedBy.HOOK,
      });
      const reopened = await reopen();
      expect((await reopened.history.getReceipt(peerId, seq))?.receipt).toEqual(receipt);
    });
  });
}

function expectedState(from: ReceiptState, to: ReceiptState): ReceiptState {
  if (to === EXPIRED) return from <= LEASED ? to : from;
  if (to === DEAD_LETTERED) return from <= PRESENTED ? to : from;
  return to > from && from < EXPIRED ? to : from;
}

function timesOf(receipt: Receipt): (number | undefined)[] {
  const { queuedTime, leasedTime, presentedTime, confirmedTime, answeredTime } = receipt;
  return [queuedTime, leasedTime, presentedTime, confirmedTime, answeredTime].map(
    (time) => time && timestampMs(time),
  );
}
