import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { silent } from "../../contract/store/bell.js";
import { ample, bob, carol, draft, send } from "../../contract/store/drafts.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";

test("what is sent in one turn is one transaction", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const before = countCommits(path);
  await Promise.all(Array.from({ length: 50 }, () => send(store)));
  expect(countCommits(path) - before).toBe(1);
  for (let index = 0; index < 5; index += 1) await send(store);
  expect(countCommits(path) - before).toBe(6);
});

test("what is sent during a commit waits for it, together", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const before = countCommits(path);
  const senders = Array.from({ length: 8 }, async () => {
    for (let index = 0; index < 25; index += 1) await send(store);
  });
  await Promise.all(senders);
  expect(countCommits(path) - before).toBeLessThanOrEqual(50);
});

test("a message for a reader that waits is one transaction until it is reported on", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
  expect(await reader.next(ample)).toEqual([]);
  const before = countCommits(path);
  for (let sent = 0; sent < 5; sent += 1) {
    await send(store);
    const [queued] = await reader.next(ample);
    await store.queues.advance(bob.peerId, queued?.receipt.seq ?? 0n, {
      state: ReceiptState.CONFIRMED,
    });
    expect(await reader.next(ample)).toEqual([]);
  }
  expect(countCommits(path) - before).toBe(10);
});

test("a call that fails harms none of its transaction", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const advancing = store.queues.advance(bob.peerId, 99n, {});
  // A defect of the caller: what it gives cannot be bound to a statement.
  const broken = draft({ threadId: {} as string, to: [carol] });
  const [accepted, missing, refused, last] = await Promise.allSettled([
    send(store),
    advancing,
    store.queues.enqueue(broken, broken.to),
    send(store),
  ]);
  expect([accepted.status, last.status]).toEqual(["fulfilled", "fulfilled"]);
  expect(missing).toMatchObject({ status: "rejected", reason: { code: "NOT_FOUND" } });
  expect(refused.status).toBe("rejected");
  expect(await store.queues.countWaiting([bob.peerId, carol.peerId])).toEqual(
    new Map([
      [bob.peerId, 2],
      [carol.peerId, 0],
    ]),
  );
});

/** Commits in the WAL, whose frames are described in https://www.sqlite.org/fileformat.html. */
function countCommits(path: string): number {
  const log = readFileSync(`${path}-wal`);
  const frameBytes = 24 + log.readUInt32BE(8);
  let commits = 0;
  for (let offset = 32; offset + frameBytes <= log.length; offset += frameBytes) {
    // A frame that ends a transaction tells the size of the database.
    if (log.readUInt32BE(offset + 4) > 0) commits += 1;
  }
  return commits;
}
