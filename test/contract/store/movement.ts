import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { MovableStore } from "../../../src/broker/store/transfer.js";
import { moveRecords } from "../../../src/store/move-records.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { openMemoryStore } from "../../store/memory/memory-store.js";
import { silent } from "./bell.js";
import { alice, ample, bob, carol, draft, send, sendFirst, texts } from "./drafts.js";
import { linesOf, recipients, steps, takeStep } from "./move-steps.js";
import { peer } from "./peers.js";
import type { StoreTechnology } from "./technology.js";

export interface MovableTechnology extends StoreTechnology {
  open(options: Parameters<StoreTechnology["open"]>[0]): Promise<MovableStore>;
  /** As a broker opens it after the move. Default: the same. */
  serve?: (store: MovableStore) => Promise<MovableStore>;
}

/** What is moved from one store to another is the same there, whatever the technology of the two. */
export function defineMoveContract(technology: MovableTechnology): void {
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const open = async (limits = {}): Promise<MovableStore> => {
    const folder = mkdtempSync(join(tmpdir(), "pl-"));
    const store = await technology.open({ folder, clock, limits });
    onTestFinished(async () => {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });
    return store;
  };

  const serve = async (store: MovableStore): Promise<MovableStore> => {
    if (technology.serve === undefined) return store;
    const served = await technology.serve(store);
    onTestFinished(() => served[Symbol.asyncDispose]());
    return served;
  };

  describe(`a move: ${technology.name}`, () => {
    test("keeps every record, there and back", async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (taken) => {
          const [source, target] = [await open(), await open()];
          const between = openMemoryStore({ clock });
          for (const one of taken) await takeStep(source, clock, one);
          const there = await moveRecords({ from: source.records, to: between.records });
          const back = await moveRecords({ from: between.records, to: target.records });
          expect([there.different, back.different]).toEqual([[], []]);
          expect(await linesOf(target)).toEqual(await linesOf(source));
          const served = await serve(target);
          expect(await factsOf(served)).toEqual(await factsOf(source));
          for (const store of [source, target, served]) await store[Symbol.asyncDispose]();
        }),
        { numRuns: 12 },
      );
    });

    test("keeps what is open in its order, and what comes later goes behind it", async () => {
      const [source, target] = [openMemoryStore({ clock }), await open()];
      for (const text of ["one", "two", "three"]) await send(source, { text });
      const { seq } = await sendFirst(source, { text: "given up" });
      await source.queues.advance(bob.peerId, seq, { state: ReceiptState.DEAD_LETTERED });
      await source.queues.redrive(bob.peerId, seq);
      const proof = await moveRecords({ from: source.records, to: target.records });
      expect(proof).toMatchObject({ different: [], leftOut: [] });
      expect(proof.target.counts).toEqual({ peer: 0, machine: 0, enrolment: 0, delivery: 4 });
      const served = await serve(target);
      await send(served, { text: "four" });
      const reader = served.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
      const messages = await reader.next(ample);
      expect(texts(messages)).toEqual(["one", "two", "three", "given up", "four"]);
      expect(messages.map(({ redelivered }) => redelivered)).toEqual([
        false,
        false,
        false,
        true,
        false,
      ]);
    });

    test("keeps ids: what was sent before the move is a duplicate after it", async () => {
      const [source, target] = [openMemoryStore({ clock }), await open()];
      const sent = draft({ to: [bob, carol] });
      await source.queues.enqueue(sent, [bob, carol]);
      await moveRecords({ from: source.records, to: target.records });
      const served = await serve(target);
      const again = await served.queues.enqueue(sent, [bob, carol]);
      expect(again).toMatchObject([
        { ok: true, duplicate: true },
        { ok: true, duplicate: true },
      ]);
      const other = { ...sent, text: "other", fingerprint: "other" };
      expect(await served.queues.enqueue(other, [bob])).toMatchObject([
        { ok: false, error: { code: "MESSAGE_ID_REUSED" } },
      ]);
    });

    test("counts what is open against the bounds", async () => {
      const [source, target] = [openMemoryStore({ clock }), await open({ maxQueueMessages: 3 })];
      for (const from of [alice, bob, carol]) await send(source, { from, to: [carol] });
      await moveRecords({ from: source.records, to: target.records });
      const next = draft({ to: [carol] });
      expect(await (await serve(target)).queues.enqueue(next, [carol])).toMatchObject([
        { ok: false, error: { code: "QUEUE_FULL" } },
      ]);
    });

    test("refuses a target that holds something, and says what", async () => {
      const [source, target] = [openMemoryStore({ clock }), await open()];
      await target.peers.create(peer("api"));
      await send(target);
      await send(source);
      const moved = moveRecords({ from: source.records, to: target.records });
      await expect(moved).rejects.toMatchObject({
        code: "CONFLICT",
        message: "It is not empty: it holds peers (1), messages (1).",
      });
      expect((await linesOf(target)).length).toBe(2);
    });
  });
}

/** What the daily calls tell, except seqs. */
async function factsOf({ queues, history, peers }: MovableStore): Promise<unknown> {
  const peerIds = recipients.map(({ peerId }) => peerId);
  const query = { viewer: "", peer: "", threadId: "", state: ReceiptState.UNSPECIFIED };
  const page = await history.list({ ...query, limit: 1000, maxBytes: 2 ** 30, cursor: "" });
  const open = peerIds.map((peerId) => queues.listOpen({ peerId, limit: 1000 }));
  return {
    waiting: [...(await queues.countWaiting(peerIds))],
    open: (await Promise.all(open)).map((seqs) => seqs.length),
    expiry: await history.nextExpiryMs(),
    enrolments: await peers.listEnrolments(),
    history: page.records.map(({ message, receipts }) => ({
      message,
      receipts: receipts.map(({ seq: _seq, ...receipt }) => receipt),
    })),
  };
}
