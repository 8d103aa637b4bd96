import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { send } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";

const sectorBytes = 512;
/** Of the WAL and of a frame in it: https://www.sqlite.org/fileformat.html#the_write_ahead_log */
const headerBytes = 32;
const frameBytes = 24 + 4096;
/** Of its own length a page of the database, and so of the WAL. */
const long = "x".repeat(4000);

test("what two power cuts tore is not taken for damage", async () => {
  const kept = ["kept 1", "kept 2", "kept 3"];
  const first = temporaryDatabase();
  await cutPower(first, { kept, torn: Array.from({ length: 60 }, () => long) });
  // It begins where the torn transaction began, which is longer: the end of that stays behind it.
  const second = temporaryDatabase();
  await cutPower(second, { from: first, kept: ["kept 4"], torn: ["torn 60"] });

  const { served, told } = await open(second);
  expect(served).toEqual([...kept, "kept 4"].toReversed());
  expect(told).toEqual([]);
});

test("a header that was torn in the middle is not taken for the end of a transaction", async () => {
  const path = temporaryDatabase();
  await cutPower(path, { kept: ["kept"], torn: Array.from({ length: 60 }, () => long) });
  const wal = readFileSync(`${path}-wal`);
  // The first eight bytes of this frame are in another sector than the others. In place of that sector
  // stands what an earlier use of the file left: the end of a transaction, after which there were 66 pages.
  const at = headerBytes + (64 + 41) * frameBytes;
  expect(at % sectorBytes).toBe(sectorBytes - 8);
  wal.fill(0, at + 8 - sectorBytes, at);
  wal.writeUInt32BE(66, at);
  wal.writeUInt32BE(66, at + 4);
  writeFileSync(`${path}-wal`, wal);
  const { served, told } = await open(path);
  expect(served).toEqual(["kept"]);
  expect(told).toEqual([]);
});

test("damage is told from what two power cuts tore, and costs what it hit", async () => {
  const first = temporaryDatabase();
  await cutPower(first, { kept: ["kept 1"], torn: Array.from({ length: 60 }, () => long) });
  const second = temporaryDatabase();
  await cutPower(second, { from: first, kept: ["kept 2"], torn: ["torn"] });
  // In the first frame, a page of which later ones hold newer versions.
  const wal = readFileSync(`${second}-wal`);
  wal.writeUInt8(wal.readUInt8(1000) ^ 1, 1000);
  writeFileSync(`${second}-wal`, wal);

  const { served, told } = await open(second);
  expect(served).toEqual(["kept 2", "kept 1"]);
  expect(told).toEqual([
    expect.stringMatching(/transactions cannot be read.* 0 messages are lost/),
  ]);
});

/** Leaves at `path` what a power cut leaves of a store that has sent some messages, and was sending others. */
async function cutPower(
  path: string,
  options: { from?: string; kept: readonly string[]; torn: readonly string[] },
): Promise<void> {
  const { from, kept, torn } = options;
  const running = temporaryDatabase();
  if (from !== undefined) copy(from, running);
  const store = await openStore(running);
  for (const text of kept) await send(store, { text });
  const synced = readFileSync(`${running}-wal`);
  await Promise.all(torn.map((text) => send(store, { text })));
  copy(running, path);
  await store[Symbol.asyncDispose]();
  writeFileSync(`${path}-wal`, tear(synced, readFileSync(`${path}-wal`)));
}

async function open(path: string): Promise<{ served: string[]; told: string[] }> {
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  return { served: await listTexts(store), told };
}

function copy(from: string, to: string): void {
  for (const suffix of ["", "-wal"]) writeFileSync(to + suffix, readFileSync(from + suffix));
}

/** What is on the disk when of all that changed the first whole sector is not. */
function tear(before: Buffer, after: Buffer): Buffer {
  const torn = Buffer.from(after);
  for (let at = 0; at < after.length; at += sectorBytes) {
    const old = Buffer.alloc(sectorBytes);
    before.copy(old, 0, at, at + sectorBytes);
    const isNew = !old.equals(after.subarray(at, at + sectorBytes));
    if (!isNew) continue;
    old.copy(torn, at);
    return torn;
  }
  throw new Error("nothing was written");
}
