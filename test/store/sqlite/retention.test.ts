import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { bob, send, sendFirst } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { StoppedClock } from "../../support/stopped-clock.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { eventually } from "../../support/test-broker.js";

const limits = { retentionMs: 60_000, pruneIntervalMs: 1000 };

test("the file shrinks when much was forgotten", async () => {
  const path = temporaryDatabase();
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const store = await openStore(path, { clock, limits });
  for (let round = 0; round < 8; round += 1) {
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const { seq } = await sendFirst(store, { text: "x".repeat(16_000) });
        await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
      }),
    );
  }
  await store[Symbol.asyncDispose]();
  const fullBytes = statSync(path).size;
  expect(fullBytes).toBeGreaterThan(12_000_000);

  clock.advance(limits.retentionMs + 1);
  const reopened = await openStore(path, { clock, limits });
  await eventually(async () => expect(await listTexts(reopened)).toEqual([]));
  // Each call shares its transaction with one slice of what is given back to the file system.
  for (let slice = 0; slice < 40; slice += 1) await reopened.health();
  const { bytes, freeBytes } = await reopened.health();
  expect(bytes).toBeLessThan(fullBytes / 2);
  expect(freeBytes).toBeLessThan(bytes);
  await reopened[Symbol.asyncDispose]();
  expect(statSync(path).size).toBeLessThan(fullBytes / 2);
});

test("pruning goes on where it was interrupted, and spares what is open", async () => {
  const path = temporaryDatabase();
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  const store = await openStore(path, { clock, limits });
  for (let index = 0; index < 300; index += 1) {
    const sending = sendFirst(store, { text: index % 10 === 0 ? "open" : "closed" });
    if (index % 10 === 0) continue;
    const { seq } = await sending;
    await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
  }
  clock.advance(limits.retentionMs + 1);
  await send(store, { text: "young" });
  await eventually(async () => expect(await listTexts(store)).toHaveLength(31));
  expect(new Set(await listTexts(store))).toEqual(new Set(["young", "open"]));
});
