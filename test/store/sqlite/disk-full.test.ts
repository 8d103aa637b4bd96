import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silent } from "../../contract/store/bell.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { bob, draft, send, sendFirst } from "../../contract/store/drafts.js";
import { openStore } from "./open-store.js";
import { smallDisk } from "./small-disk.js";
import { temporaryDatabase } from "./temporary-database.js";

const mebibyte = 1024 * 1024;
const text = "x".repeat(8000);
/** The disk is full before a sender's share is used. */
const boundless = { maxQueueMessages: 1e9, maxQueueBytes: 1e12, maxMailBytes: 1e12 };

test("refuses messages while the reserve is not free, and takes reports", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const sent = draft();
  const { peerId, seq } = await sendFirst(store, sent);
  await store[Symbol.asyncDispose]();

  const full = await openStore(path, { limits: { reserveBytes: Number.MAX_SAFE_INTEGER } });
  const refused = draft();
  const [result] = await full.queues.enqueue(refused, refused.to);
  expect(result).toMatchObject({ ok: false, error: { code: "FULL" } });
  expect(await full.health()).toMatchObject({ writable: false, problem: /disk is full/ });
  const [repeat] = await full.queues.enqueue(sent, sent.to);
  expect(repeat).toMatchObject({ ok: true, duplicate: true });
  expect(
    await full.queues
      .open({ peerId: bob.peerId, epoch: 1 }, silent)
      .next({ maxMessages: 9, maxBytes: 9 }),
  ).toHaveLength(1);
  const advanced = await full.queues.advance(peerId, seq, { state: ReceiptState.CONFIRMED });
  expect(advanced.moved).toBe(true);
});

test("on a full disk reports go on, and messages again when there is room", async (context) => {
  const disk = smallDisk(48);
  if (disk === undefined) return context.skip("mounting a file system is not permitted here");
  const store = await openStore(join(disk, "peerline.db"), {
    limits: { ...boundless, reserveBytes: 16 * mebibyte },
  });
  const seqs = await fill(store);
  expect((await store.health()).writable).toBe(false);
  await reportAll(store, seqs);

  execFileSync("mount", ["-o", "remount,size=96m", disk]);
  expect(await store.health()).toMatchObject({ writable: true, problem: "" });
  await send(store, { text });
});

test("without the reserve a full disk stops the reports, too, and nothing accepted is lost", async (context) => {
  const disk = smallDisk(16);
  if (disk === undefined) return context.skip("mounting a file system is not permitted here");
  const store = await openStore(join(disk, "peerline.db"), {
    limits: { ...boundless, reserveBytes: 0 },
  });
  const seqs = await fill(store);
  await expect(reportAll(store, seqs)).rejects.toMatchObject({ code: "FULL" });

  execFileSync("mount", ["-o", "remount,size=64m", disk]);
  await reportAll(store, seqs);
  await send(store, { text });
});

/** Sends until the disk is full; resolves to the places of what was accepted. */
async function fill(store: Store): Promise<bigint[]> {
  const seqs: bigint[] = [];
  for (;;) {
    const drafts = Array.from({ length: 20 }, () => draft({ text }));
    const sends = drafts.map((one) => store.queues.enqueue(one, one.to));
    for (const outcome of await Promise.allSettled(sends)) {
      const error: unknown = outcome.status === "rejected" ? outcome.reason : undefined;
      const result = outcome.status === "fulfilled" ? outcome.value[0] : undefined;
      if (result?.ok === true) seqs.push(result.receipt.seq);
      else {
        expect(error ?? (result?.ok === false && result.error)).toMatchObject({ code: "FULL" });
        return seqs;
      }
    }
  }
}

async function reportAll(store: Store, seqs: readonly bigint[]): Promise<void> {
  for (const state of [ReceiptState.LEASED, ReceiptState.PRESENTED, ReceiptState.CONFIRMED]) {
    for (const seq of seqs) {
      const { receipt } = await store.queues.advance(bob.peerId, seq, { state });
      expect(receipt.state).toBe(state);
    }
  }
}
