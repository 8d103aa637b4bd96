import { toBinary } from "@bufbuild/protobuf";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, bench, describe } from "vitest";
import { MessageSchema } from "../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../src/clock.js";
import { Batches } from "../../src/store/sqlite/batch.js";
import { Quarantine } from "../../src/store/sqlite/damage/quarantine.js";
import { openDatabase } from "../../src/store/sqlite/database.js";
import { enqueueOperation } from "../../src/store/sqlite/enqueue.js";
import { FreeSpace } from "../../src/store/sqlite/free-space.js";
import { Room } from "../../src/store/sqlite/room.js";
import { sqliteLimits } from "../../src/store/sqlite/limits.js";
import type { Operations } from "../../src/store/sqlite/operations.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { Statements } from "../../src/store/sqlite/statements.js";
import { stamp } from "../../src/store/stored-message.js";
import { draft, send } from "../contract/store/drafts.js";
import { workerUrl } from "../store/sqlite/built-worker.js";

// Each iteration stores 1000 messages of 1 KiB durably, so that the "hz" are thousands of messages per
// second. They compare with one transaction per message, without a thread between.
const messages = 1000;
const text = "x".repeat(1024);
const boundless = { maxQueueMessages: 1e9, maxQueueBytes: 1e12, maxMailBytes: 1e12 };

const folder = mkdtempSync(join(tmpdir(), "pl-"));
const path = join(folder, "grouped.db");
const store = await openSqliteStore({ path, clock: systemClock, workerUrl, limits: boundless });
const storeAlone = oneTransactionEach(join(folder, "alone.db"));

afterAll(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe(`enqueue ${messages} messages`, () => {
  const options = { time: 3000, warmupTime: 0, warmupIterations: 1, iterations: 3 };
  bench("one transaction each", () => storeAlone(messages), options);
  for (const senders of [1, 16, 256]) {
    bench(`${senders} at once`, () => sendAll(senders), options);
  }
});

/** Sends all messages, so many of them at once. */
async function sendAll(senders: number): Promise<void> {
  let left = messages;
  const sendShare = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await send(store, { text });
    }
  };
  await Promise.all(Array.from({ length: senders }, sendShare));
}

/** The same work on another database, in this thread, with a commit for each message. */
function oneTransactionEach(databasePath: string): (count: number) => void {
  const database = openDatabase(databasePath);
  const freeSpace = new FreeSpace(databasePath, sqliteLimits.reserveBytes);
  const statements = new Statements(database);
  const room = new Room(statements, { ...sqliteLimits, ...boundless });
  const enqueue = enqueueOperation(statements, new Quarantine(), room, freeSpace);
  const batches = new Batches(database, { enqueue } as Operations);
  return (count) => {
    for (let sent = 0; sent < count; sent += 1) {
      const { from, to, ...rest } = draft({ text });
      const acceptTimeMs = systemClock.now();
      const body = toBinary(MessageSchema, stamp({ from, to, ...rest }, acceptTimeMs));
      const names = { fromPeerId: from.peerId, fromName: from.name };
      const message = { ...rest, ...names, acceptTimeMs, body };
      const recipients = to.map(({ peerId, name }) => ({ peerId, name }));
      const args: Parameters<Operations["enqueue"]> = [message, acceptTimeMs, recipients];
      const [outcome] = batches.run([{ operation: "enqueue", args }]);
      if (outcome?.ok !== true) throw new Error(outcome?.message);
    }
  };
}
