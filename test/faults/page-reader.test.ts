import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { sendFirst } from "../contract/store/drafts.js";
import { openStore } from "../store/sqlite/open-store.js";
import { temporaryDatabase } from "../store/sqlite/temporary-database.js";
import { kindsOfDamage } from "./database-damage.js";
import { runTrial } from "./flip-trials.js";
import { peersOfTrial } from "./flipped-peers.js";
import type { Recovery, SalvageTrial } from "./salvage-trial.js";
import { textOf } from "./text-of.js";

// Why the store reads the pages of a damaged database itself. A longer run prints the figures that stand
// in the head of page-reader.ts: PEERLINE_SALVAGE_TRIALS=50.
const seeds = Number(process.env["PEERLINE_SALVAGE_TRIALS"] ?? 3);
const isLong = seeds > 3;
const messages = 120;
const rows = peersOfTrial.length + 2 * messages;

test("the reader of pages finds what SQLite finds in a damaged database, and what it cannot", async () => {
  const { closed, killed } = await databases();
  const folder = join(dirname(closed), "damaged");
  mkdirSync(folder);
  const found = new Map<string, Recovery>();
  for (const kind of kindsOfDamage) {
    const path = kind === "3 bits of the WAL" ? killed : closed;
    const trial: SalvageTrial = { path, folder, kind, seeds, maxRowid: messages };
    const recoveries = await runTrial<Recovery>("salvage-examiner", dirname(closed), trial);
    expect(recoveries).toHaveLength(seeds);
    for (const { reader, walk, walkOfPages } of recoveries) {
      expect(reader, kind).toBeGreaterThanOrEqual(Math.max(walk, walkOfPages));
      expect(reader, kind).toBeLessThanOrEqual(rows);
    }
    found.set(kind, sum(recoveries));
    if (isLong) console.log(kind, "of", rows * seeds, JSON.stringify(found.get(kind)));
  }
  const { reader = 0, walkOfPages = 0 } = found.get("a page that leads to others") ?? {};
  expect(reader).toBeGreaterThan(walkOfPages * 1.5);
  // A WAL of which SQLite drops the end is one that the store's reader reads over.
  const inWal = found.get("3 bits of the WAL");
  expect(inWal?.reader).toBeGreaterThanOrEqual(inWal?.walkOfPages ?? 0);
}, 600_000);

/** A database that was closed, and one whose rows are in its WAL. */
async function databases(): Promise<{ closed: string; killed: string }> {
  const closed = temporaryDatabase();
  const store = await openStore(closed);
  for (const peer of peersOfTrial) await store.peers.create(peer);
  for (let index = 0; index < messages; index += 1) {
    const messageId = `${String((index * 1009) % 8000).padStart(4, "0")}-message-${index}`;
    await sendFirst(store, { messageId, text: textOf(messageId) });
  }
  const killed = join(dirname(closed), "killed.db");
  for (const suffix of ["", "-wal"]) copyFileSync(closed + suffix, killed + suffix);
  await store[Symbol.asyncDispose]();
  return { closed, killed };
}

function sum(recoveries: readonly Recovery[]): Recovery {
  const total = (way: keyof Recovery): number =>
    recoveries.reduce((before, recovery) => before + recovery[way], 0);
  return { reader: total("reader"), walkOfPages: total("walkOfPages"), walk: total("walk") };
}
