import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { maxCheckedBytes } from "../../../src/store/sqlite/limits.js";
import { silent } from "../../contract/store/bell.js";
import { ample, bob, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { rootOf } from "./query.js";
import { temporaryDatabase } from "./temporary-database.js";

const rewrite = (from: string, to: string): string =>
  `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '${from}', '${to}')`;

const contradictions: readonly [what: string, damage: string][] = [
  ["a queue whose count differs", "UPDATE queue SET open_messages = open_messages + 4"],
  ["a queue that is missing", "DELETE FROM queue"],
  ["a share of a queue that differs", "UPDATE queue_share SET open_bytes = open_bytes + 64"],
  [
    "a sender's use that differs",
    "UPDATE mail SET bytes = bytes + (1 << 31) WHERE from_peer_id = ''",
  ],
  ["use of nobody", "UPDATE mail SET from_peer_id = 'nobody' WHERE from_peer_id <> ''"],
  ["a key that nobody has reached", "UPDATE sqlite_sequence SET seq = 1 << 60"],
];

test.each([
  ...contradictions,
  ["a participant that is missing", "DELETE FROM participant WHERE peer_id = 'bob-id'"],
  ["a trigger that does something else", rewrite("OLD.state <= 2", "OLD.state <= 0")],
  ["an index of something else", rewrite("WHERE state <= 3", "WHERE state <= 2")],
  ["a schema that cannot be read", rewrite("CREATE TABLE message", "CREATE FABLE message")],
  [
    "use that was never counted",
    "UPDATE mail SET bytes = bytes + 64", // of the sender, and of all
  ],
])("a database with %s is salvaged whole", async (_what, damage) => {
  const path = await filledDatabase();
  execute(path, damage);
  await expectSalvaged(path);
});

test.each(contradictions)(
  "a database of 130 MiB with %s is salvaged whole",
  async (_what, damage) => {
    const path = await filledDatabase();
    enlarge(path);
    execute(path, damage);
    await expectSalvaged(path);
  },
);

test.each([["small"], ["large"]])(
  "a %s database is salvaged whole when its index of open mail has lost one",
  async (size) => {
    const path = await filledDatabase();
    if (size === "large") enlarge(path);
    const file = readFileSync(path);
    const page = file.subarray((rootOf(path, "delivery_open") - 1) * 4096);
    const key = page.indexOf("bob-id"); // the newest entry is stored first
    expect(key).toBeGreaterThan(0);
    page.write("z", key);
    writeFileSync(path, file);
    await expectSalvaged(path);
  },
);

/** A database with two messages that wait for bob, and one that he confirmed. */
async function filledDatabase(): Promise<string> {
  const path = temporaryDatabase();
  await using store = await openStore(path);
  for (const text of ["1", "2", "3"]) {
    const { seq } = await sendFirst(store, { text });
    if (text === "1")
      await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
  }
  return path;
}

/** Makes the file larger than what is checked whole, by pages that are free. */
function enlarge(path: string): void {
  const bytes = maxCheckedBytes + 1024 * 1024;
  execute(
    path,
    `CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(${bytes})); DROP TABLE filler`,
  );
}

async function expectSalvaged(path: string): Promise<void> {
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  expect(told).toEqual([expect.stringContaining("Salvaged were 3 messages")]);
  expect(await listTexts(store)).toEqual(["3", "2", "1"]);
  const offered = await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(texts(offered)).toEqual(["2", "3"]);
  expect(offered.some(({ redelivered }) => redelivered)).toBe(false);
  expect(await store.queues.countWaiting([bob.peerId])).toEqual(new Map([[bob.peerId, 2]]));
}
