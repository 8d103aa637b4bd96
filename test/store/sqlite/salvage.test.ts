import { create } from "@bufbuild/protobuf";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import { peersOfTrial } from "../../faults/flipped-peers.js";
import { Bell, silent } from "../../contract/store/bell.js";
import { ample, bob, carol, send, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { openStore } from "./open-store.js";
import { rootOf } from "./query.js";
import { temporaryDatabase } from "./temporary-database.js";
import { eventually } from "../../support/test-broker.js";
import { peersOf } from "../../contract/store/records.js";

const pageBytes = 4096;

test("of a database with an unreadable page everything else is served", async () => {
  const path = await databaseOf(45);
  const [leaf = 0] = leavesOf(path, "message");
  overwrite(path, leaf);
  const { store, told } = await openTelling(path);
  const served = await listTexts(store);
  expect(served.length).toBeGreaterThan(45 - 20);
  expect(served.length).toBeLessThan(45);
  const offered = texts(
    await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample),
  );
  expect(offered.toSorted()).toEqual(served.toSorted());
  expect(await peersOf(store)).toEqual(peersOfTrial);
  expect(told[0]).toMatch(new RegExp(`Salvaged were ${served.length} messages and 12 peers`));
  expect(told[0]).toContain(`${45 - served.length} messages are lost`);
  expect(await send(store)).toBeTruthy();
});

test("what is lost with an unreadable page is dead-lettered, and its sender told", async () => {
  const path = await databaseOf(45);
  overwrite(path, leavesOf(path, "message")[0] ?? 0);
  const { store } = await openTelling(path);
  const bell = new Bell();
  const offered = await store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell).next(ample);
  await eventually(() => expect(bell.deadLettered).toHaveLength(45 - offered.length));
  for (const { from, receipt } of bell.deadLettered) {
    expect(from.peerId).toBe("alice-id");
    expect(receipt.state).toBe(ReceiptState.DEAD_LETTERED);
  }
});

test("messages whose receipts are unreadable are offered again, marked", async () => {
  const path = await databaseOf(200, ReceiptState.CONFIRMED);
  overwrite(path, leavesOf(path, "delivery")[0] ?? 0);
  const { store, told } = await openTelling(path);
  const offered = await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(offered.length).toBeGreaterThan(10);
  expect(offered.length).toBeLessThan(100);
  expect(offered.every(({ redelivered }) => redelivered)).toBe(true);
  expect(told[0]).toContain(`${offered.length} whose receipt is lost are offered again`);
});

test.each(["message", "delivery", "peer", "sqlite_schema"])(
  "a table is read though the page that leads to the rest of it is gone: %s",
  async (table) => {
    const path = await databaseOf(45);
    overwrite(path, rootOf(path, table), table === "sqlite_schema" ? 100 : 0);
    const { store } = await openTelling(path);
    expect(
      await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample),
    ).toHaveLength(45);
    expect(await peersOf(store)).toHaveLength(table === "peer" ? 0 : 12);
  },
);

test("a database whose header is gone is salvaged by its rows", async () => {
  const path = await databaseOf(45);
  overwrite(path, 1);
  const { store } = await openTelling(path);
  expect(
    await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample),
  ).toHaveLength(45);
});

test("the damaged file is kept as it was, and nothing else is left", async () => {
  const path = await databaseOf(10);
  overwrite(path, rootOf(path, "message_by_thread"));
  const damaged = readFileSync(path);
  const { store, told } = await openTelling(path);
  await store[Symbol.asyncDispose]();
  const kept = `${basename(path)}.damaged-`;
  const [name = "", ...others] = readdirSync(dirname(path)).filter((one) => one !== basename(path));
  expect(name.startsWith(kept)).toBe(true);
  expect(others).toEqual([]);
  expect(told[0]).toContain(name);
  expect(readFileSync(path.replace(basename(path), name)).equals(damaged)).toBe(true);

  const again = await openTelling(path);
  expect(again.told).toEqual([]);
});

test("what was forgotten before the damage stays forgotten", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  for (let index = 0; index < 30; index += 1) {
    const { seq } = await sendFirst(store, { text: "x".repeat(5000) });
    await store.queues.advance(bob.peerId, seq, { state: ReceiptState.DEAD_LETTERED });
    if (index > 0) await store.queues.drop(bob.peerId, seq);
  }
  await store[Symbol.asyncDispose]();
  overwrite(path, rootOf(path, "message_by_thread"));
  const { store: salvaged } = await openTelling(path);
  expect(await listTexts(salvaged)).toHaveLength(1);
  const { seq } = await sendFirst(salvaged);
  expect(seq).toBe(31n);
});

test("a message of several recipients is salvaged with each receipt", async () => {
  const path = temporaryDatabase();
  const store = await openStore(path);
  const { seq } = await sendFirst(store, { to: [bob, carol] });
  await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
  await store[Symbol.asyncDispose]();
  overwrite(path, rootOf(path, "message_by_thread"));
  const { store: salvaged } = await openTelling(path);
  expect(await salvaged.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample)).toEqual(
    [],
  );
  const [again] = await salvaged.queues
    .open({ peerId: carol.peerId, epoch: 1 }, silent)
    .next(ample);
  expect(again).toMatchObject({ redelivered: false });
  expect(await salvaged.queues.countWaiting([bob.peerId, carol.peerId])).toEqual(
    new Map([
      [bob.peerId, 0],
      [carol.peerId, 1],
    ]),
  );
});

test("a salvage that was interrupted before it ended is begun anew", async () => {
  const path = await databaseOf(10);
  overwrite(path, rootOf(path, "message_by_thread"));
  writeFileSync(`${path}.salvage`, "half a salvage");
  const { store } = await openTelling(path);
  expect(await listTexts(store)).toHaveLength(10);
  expect(existsSync(`${path}.salvage`)).toBe(false);
});

test.each(["before", "after"])(
  "a salvage that was interrupted %s the damaged file was renamed is ended",
  async (when) => {
    const path = await databaseOf(10);
    const other = await databaseOf(3);
    writeFileSync(`${path}-wal`, "the log of the damaged file");
    renameSync(other, `${path}.salvaged-1`);
    if (when === "after") renameSync(path, `${path}.damaged-1`);
    const { store, told } = await openTelling(path);
    expect(await listTexts(store)).toHaveLength(3);
    expect(told[0]).toContain(`${path}.damaged-1`);
    expect(existsSync(`${path}.damaged-1`)).toBe(true);
    expect(readFileSync(`${path}.damaged-1-wal`, "utf8")).toBe("the log of the damaged file");
  },
);

test("a file of which nothing can be read is refused and left as it is", async () => {
  const path = await databaseOf(1);
  const bytes = readFileSync(path).fill(0xff);
  writeFileSync(path, bytes);
  const opening = openStore(path);
  await expect(opening).rejects.toMatchObject({ code: "DATA_LOSS" });
  await expect(opening).rejects.toThrow(/damaged.*together with the files beside it.*a backup may/);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(readdirSync(dirname(path))).toEqual([basename(path)]);
});

test("a page that cannot be read while the store runs ends it, and is salvaged at the next opening", async () => {
  const path = await databaseOf(300, ReceiptState.QUEUED, 16_000);
  const [leaf = 0] = leavesOf(path, "message");
  const broken: unknown[] = [];
  const store = await openStore(path, { onBroken: (error) => broken.push(error) });
  // More than SQLite keeps in memory, so that it reads the page again.
  const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
  await reader.next(ample);
  for (let index = 0; index < 300; index += 1) reader.giveBack(BigInt(index + 1), 0);
  overwrite(path, leaf);
  const reading = reader.next(ample);
  await expect(reading).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(broken).toHaveLength(1);
  expect(existsSync(`${path}.salvage-due`)).toBe(true);
  await store[Symbol.asyncDispose]();

  const { store: salvaged, told } = await openTelling(path);
  expect(told[0]).toContain("Salvaged");
  expect(existsSync(`${path}.salvage-due`)).toBe(false);
  const offered = await salvaged.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(offered.length).toBeGreaterThan(280);
});

/** A closed database with peers and messages to bob, "0" and so on, filled up to a length. */
async function databaseOf(
  messages: number,
  state = ReceiptState.QUEUED,
  length = 300,
): Promise<string> {
  const path = temporaryDatabase();
  const store = await openStore(path);
  for (const peer of peersOfTrial) {
    await store.peers.create({ ...peer, profile: create(ProfileSchema, peer.profile) });
  }
  for (let index = 0; index < messages; index += 1) {
    const { seq } = await sendFirst(store, { text: String(index).padEnd(length, ".") });
    if (state !== ReceiptState.QUEUED) await store.queues.advance(bob.peerId, seq, { state });
  }
  await store[Symbol.asyncDispose]();
  return path;
}

async function openTelling(path: string) {
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  return { store, told };
}

/** The pages that hold the rows of a table whose root is not one of them, in order. */
function leavesOf(path: string, table: string): number[] {
  const bytes = readFileSync(path);
  const root = (rootOf(path, table) - 1) * pageBytes;
  const cells = bytes.readUInt16BE(root + 3);
  if (bytes.readUInt8(root) !== 0x05) throw new Error("the root is the only page");
  return Array.from({ length: cells }, (_, index) =>
    bytes.readUInt32BE(root + bytes.readUInt16BE(root + 12 + index * 2)),
  );
}

/** Fills a page with what no page holds. */
function overwrite(path: string, page: number, from = 0): void {
  const bytes = readFileSync(path);
  bytes.fill(0xff, (page - 1) * pageBytes + from, page * pageBytes);
  writeFileSync(path, bytes);
}
