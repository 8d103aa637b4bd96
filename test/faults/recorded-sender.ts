import { openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../src/broker/store/store.js";
import { systemClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { bob, sendFirst } from "../contract/store/drafts.js";
import { textOf } from "./text-of.js";

// A program of the tests: sends and confirms, one after the other and several at once, closes the store
// in between and opens it again. To the file `acknowledged` beside the database it writes what the store
// has promised, at once: "sent MESSAGE_ID" or "confirmed MESSAGE_ID". Arguments: the database and the
// built worker.
const [, , path = "", workerUrl = ""] = process.argv;
const acknowledged = openSync(join(dirname(path), "acknowledged"), "a", 0o600);

// Enough that the WAL is copied into the database and begun anew.
for (const sendersAtOnce of [1, 8]) {
  const store = await openSqliteStore({ path, clock: systemClock, workerUrl: new URL(workerUrl) });
  await Promise.all(
    Array.from({ length: sendersAtOnce }, () => sendMany(store, 160 / sendersAtOnce)),
  );
  await store[Symbol.asyncDispose]();
}

async function sendMany(store: Store, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const messageId = crypto.randomUUID();
    const { seq } = await sendFirst(store, { messageId, text: textOf(messageId) });
    acknowledge(`sent ${messageId}`);
    if (index % 3 > 0) continue;
    await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
    acknowledge(`confirmed ${messageId}`);
  }
}

function acknowledge(what: string): void {
  writeSync(acknowledged, `${what}\n`);
}
