import { expect, test } from "vitest";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { silent } from "../../contract/store/bell.js";
import { ample, bob, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";

const rewrite = (from: string, to: string): string =>
  `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '${from}', '${to}')`;

test.each([
  ["a participant that is missing", "DELETE FROM participant WHERE peer_id = 'bob-id'"],
  ["a queue whose count differs", "UPDATE queue SET open_messages = open_messages + 4"],
  ["a queue that is missing", "DELETE FROM queue"],
  ["a key that nobody has reached", "UPDATE sqlite_sequence SET seq = 1 << 60"],
  ["a trigger that does something else", rewrite("OLD.state <= 2", "OLD.state <= 0")],
  ["an index of something else", rewrite("WHERE state <= 3", "WHERE state <= 2")],
  ["a schema that cannot be read", rewrite("CREATE TABLE message", "CREATE FABLE message")],
])("a database with %s is salvaged whole", async (_what, damage) => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  for (const text of ["1", "2", "3"]) {
    const { seq } = await sendFirst(first, { text });
    if (text === "1") await first.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
  }
  await first[Symbol.asyncDispose]();
  execute(path, damage);

  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  expect(told).toEqual([expect.stringContaining("Salvaged were 3 messages")]);
  expect(await listTexts(store)).toEqual(["3", "2", "1"]);
  const offered = await store.openQueue(bob.peerId, silent).next(ample);
  expect(texts(offered)).toEqual(["2", "3"]);
  expect(offered.some(({ redelivered }) => redelivered)).toBe(false);
  expect(await store.countWaiting([bob.peerId])).toEqual(new Map([[bob.peerId, 2]]));
});
