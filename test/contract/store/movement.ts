import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MachineScope } from "../../../gen/peerline/v1/machine_pb.js";
import { ConfirmedBy, ReceiptState, type PeerRef } from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import type { MovableStore, StoreRecord } from "../../../src/broker/store/transfer.js";
import { moveRecords } from "../../../src/store/move-records.js";
import { canonicalRecord } from "../../../src/store/record-sums.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { openMemoryStore } from "../../store/memory/memory-store.js";
import { silent } from "./bell.js";
import { alice, ample, bob, carol, draft, send, sendFirst, texts } from "./drafts.js";
import { peer } from "./peers.js";
import type { StoreTechnology } from "./technology.js";

export interface MovableTechnology extends StoreTechnology {
  open(options: Parameters<StoreTechnology["open"]>[0]): Promise<MovableStore>;
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

  describe(`a move: ${technology.name}`, () => {
    test("keeps every record, there and back", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
          const [source, target] = [await open(), await open()];
          const between = openMemoryStore({ clock });
          for (const one of steps) await take(source, clock, one);
          const there = await moveRecords({ from: source.records, to: between.records });
          const back = await moveRecords({ from: between.records, to: target.records });
          expect([there.different, back.different]).toEqual([[], []]);
          expect(await linesOf(target)).toEqual(await linesOf(source));
          expect(await factsOf(target)).toEqual(await factsOf(source));
          for (const store of [source, target]) await store[Symbol.asyncDispose]();
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
      await send(target, { text: "four" });
      const reader = target.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
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
      const again = await target.queues.enqueue(sent, [bob, carol]);
      expect(again).toMatchObject([
        { ok: true, duplicate: true },
        { ok: true, duplicate: true },
      ]);
      const other = { ...sent, text: "other", fingerprint: "other" };
      expect(await target.queues.enqueue(other, [bob])).toMatchObject([
        { ok: false, error: { code: "MESSAGE_ID_REUSED" } },
      ]);
    });

    test("counts what is open against the bounds", async () => {
      const [source, target] = [openMemoryStore({ clock }), await open({ maxQueueMessages: 3 })];
      for (const from of [alice, bob, carol]) await send(source, { from, to: [carol] });
      await moveRecords({ from: source.records, to: target.records });
      const next = draft({ to: [carol] });
      expect(await target.queues.enqueue(next, [carol])).toMatchObject([
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

async function linesOf({ records }: MovableStore): Promise<string[]> {
  const found: StoreRecord[] = [];
  for await (const page of records.export(() => {})) found.push(...page);
  return [
    ...found
      .filter((one) => !isDelivery(one))
      .map(canonicalRecord)
      .toSorted(),
    ...found.filter(isDelivery).map(canonicalRecord),
  ];
}

function isDelivery({ kind }: StoreRecord): boolean {
  return kind === "delivery";
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

const recipients: readonly PeerRef[] = [alice, bob, carol];
const { LEASED, PRESENTED, CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED } = ReceiptState;

type Step =
  | { readonly do: "peer" | "machine" | "token"; readonly number: number }
  | {
      readonly do: "send";
      readonly from: number;
      readonly to: readonly number[];
      readonly text: string;
    }
  | {
      readonly do: "report";
      readonly peer: number;
      readonly at: number;
      readonly state: ReceiptState;
    }
  | { readonly do: "fail"; readonly peer: number; readonly at: number }
  | { readonly do: "redrive" | "drop"; readonly peer: number; readonly at: number };

const one = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom("peer" as const, "machine" as const, "token" as const),
    number: fc.nat(5),
  }),
  fc.record({
    do: fc.constant("send" as const),
    from: one,
    to: fc.uniqueArray(one, { minLength: 1 }),
    text: fc.string({ unit: "binary", maxLength: 40 }),
  }),
  fc.record({
    do: fc.constant("report" as const),
    peer: one,
    at: fc.nat(9),
    state: fc.constantFrom(LEASED, PRESENTED, CONFIRMED, ANSWERED, EXPIRED, DEAD_LETTERED),
  }),
  fc.record({
    do: fc.constant("fail" as const),
    peer: one,
    at: fc.nat(9),
  }),
  fc.record({
    do: fc.constantFrom("redrive" as const, "drop" as const),
    peer: one,
    at: fc.nat(9),
  }),
);

async function take(store: MovableStore, clock: StoppedClock, next: Step): Promise<void> {
  clock.advance(7);
  switch (next.do) {
    case "peer": {
      const made = peer(`api-${next.number}`);
      const profile = create(ProfileSchema, { host: "böx", summary: `${next.number}` });
      const formerNames = [{ name: "old", untilMs: clock.now() }];
      await store.peers.create({ ...made, profile, formerNames, revision: 9 }).catch(() => {});
      return;
    }
    case "machine": {
      const name = `laptop-${next.number}`;
      await store.peers.putMachine({
        machineId: name,
        name,
        scope: MachineScope.AGENT,
        credentialHash: name,
        createTimeMs: 5,
        lastUseMs: 6,
        lastUseAddress: "192.0.2.7",
        revokeTimeMs: next.number > 3 ? 7 : 0,
        revision: 1,
      });
      return;
    }
    case "token":
      await store.peers.createEnrolment(
        {
          tokenHash: `hash ${next.number}`,
          scope: MachineScope.OBSERVE,
          // Used up, good, and over.
          usesLeft: next.number % 3,
          expireTimeMs: Date.UTC(2026, 0, next.number > 2 ? 1 : 2),
        },
        99,
      );
      return;
    case "send": {
      const to = next.to.flatMap((at) => recipients[at] ?? []);
      const from = recipients[next.from] ?? alice;
      const data = next.text.length > 20 ? { n: next.text.length, of: ["x"] } : undefined;
      await store.queues.enqueue(draft({ from, to, text: next.text, data }), to);
      return;
    }
    case "report": {
      const change = { state: next.state, confirmedBy: ConfirmedBy.HOOK, reason: "töo late" };
      return withDelivery(store, next, (peerId, seq) => store.queues.advance(peerId, seq, change));
    }
    case "fail":
      return withDelivery(store, next, (peerId, seq) =>
        store.queues.advance(peerId, seq, { failedAttempt: true }),
      );
    case "redrive":
    case "drop": {
      const deed = store.queues[next.do];
      return withDelivery(store, next, (...at) => deed(...at).catch(() => {}));
    }
  }
}

async function withDelivery(
  { history }: MovableStore,
  { peer: index, at }: { peer: number; at: number },
  deed: (peerId: string, seq: bigint) => Promise<unknown>,
): Promise<void> {
  const { peerId } = recipients[index] ?? alice;
  const query = { viewer: peerId, peer: "", threadId: "", state: ReceiptState.UNSPECIFIED };
  const page = await history.list({ ...query, limit: 10, maxBytes: 2 ** 30, cursor: "" });
  const own = page.records.flatMap(({ receipts }) =>
    receipts.filter(({ recipient }) => recipient?.peerId === peerId),
  );
  const seq = own[at]?.seq;
  if (seq !== undefined) await deed(peerId, seq);
}
