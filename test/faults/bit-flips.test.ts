import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../src/broker/store/store.js";
import { bob, sendFirst } from "../contract/store/drafts.js";
import { workerUrl } from "../store/sqlite/built-worker.js";
import { openStore } from "../store/sqlite/open-store.js";
import { temporaryDatabase } from "../store/sqlite/temporary-database.js";
import { type Examination, runFlips } from "./flip-trials.js";
import { peersOfTrial } from "./flipped-peers.js";
import { textOf } from "./text-of.js";

const timeoutMs = 600_000;
const flips = 3;
/** A longer run takes others: PEERLINE_BIT_FLIPS=1000 PEERLINE_BIT_FLIPS_FROM=100. */
const seeds = Number(process.env["PEERLINE_BIT_FLIPS"] ?? 60);
const firstSeed = Number(process.env["PEERLINE_BIT_FLIPS_FROM"] ?? 1);
/** What a flip in the head of a page may cost. */
const maxMessagesOfPage = 16;

test(
  "bits that flip in the database cost what they hit, and never in silence",
  { timeout: timeoutMs },
  async () => {
    const path = temporaryDatabase();
    const store = await openStore(path);
    const sent = await fill(store, 120);
    await store[Symbol.asyncDispose]();
    const examinations = await flip(path, "", sent);
    for (const examination of examinations) assertKept(examination, sent, []);
    const lost = examinations.flatMap((one) => lostOf(one, sent));
    expect(lost.length).toBeLessThan(flips * seeds * 1.5);
  },
);

test(
  "bits that flip in the WAL cost what they hit, and are told from a torn write",
  { timeout: timeoutMs },
  async () => {
    const path = temporaryDatabase();
    const sent = await fill(await openStore(path), 40);
    const killed = join(dirname(path), "killed.db");
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, killed + suffix);
    const examinations = await flip(killed, "-wal", sent);
    // The last transaction may have been torn by a cut of the power: SQLite drops it, and nobody can tell.
    for (const examination of examinations) assertKept(examination, sent, sent.slice(-1));
    expect(examinations.some(({ told }) => told.some((words) => words.includes("-wal")))).toBe(
      true,
    );
  },
);

interface Sent {
  readonly messageId: string;
  readonly isConfirmed: boolean;
}

/** Sends to bob, who confirms every third. */
async function fill(store: Store, messages: number): Promise<Sent[]> {
  for (const peer of peersOfTrial) await store.peers.create(peer);
  const sent: Sent[] = [];
  for (let index = 0; index < messages; index += 1) {
    // The same ids each time, so that the same seed hits the same.
    const messageId = `${String((index * 1009) % 8000).padStart(4, "0")}-message-${index}`;
    const { seq } = await sendFirst(store, {
      messageId,
      text: textOf(messageId),
      expiresInMs: 24 * 60 * 60 * 1000,
    });
    const isConfirmed = index % 3 === 0;
    if (isConfirmed) await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
    sent.push({ messageId, isConfirmed });
  }
  return sent;
}

async function flip(
  path: string,
  flippedSuffix: "" | "-wal",
  sent: readonly Sent[],
): Promise<Examination[]> {
  const folder = join(dirname(path), "flipped");
  mkdirSync(folder);
  const messageIds = sent.map(({ messageId }) => messageId);
  const run = { path, folder, flippedSuffix, flips, firstSeed, seeds, messageIds };
  return runFlips({ ...run, workerUrl: workerUrl.href });
}

function assertKept(
  examination: Examination,
  sent: readonly Sent[],
  newest: readonly Sent[],
): void {
  const { seed, refused, told, found, offered, peers } = examination;
  const context = `seed ${seed}, flipped ${examination.flips.join()}, told ${told.join(" ")}`;
  expect(refused, context).toBe("");
  const outcomes = [...Object.values(found), ...Object.values(offered)];
  expect(new Set([...outcomes, "intact", "again", "lost"]).size, context).toBe(3);

  const lost = lostOf(examination, sent).filter((one) => !newest.includes(one));
  expect(lost.length, context).toBeLessThanOrEqual(flips * maxMessagesOfPage);
  const isSilent = told.length === 0;
  expect(isSilent && lost.length > 0, context).toBe(false);
  expect(isSilent && peers.length < peersOfTrial.length, context).toBe(false);
  for (const { messageId, isConfirmed } of sent.filter((one) => !newest.includes(one))) {
    if (found[messageId] !== "intact") continue;
    if (!isConfirmed) expect(offered[messageId], context).toMatch(/^(intact|again)$/);
    else if (isSilent) expect(offered[messageId], context).toBeUndefined();
    else expect(offered[messageId] ?? "again", context).toBe("again");
  }
}

function lostOf({ found }: Examination, sent: readonly Sent[]): Sent[] {
  return sent.filter(({ messageId }) => found[messageId] !== "intact");
}
