import { systemClock } from "../../../src/clock.js";
import { StoreError } from "../../../src/broker/store/store.js";
import { openSqliteStore } from "../../../src/store/sqlite/sqlite-store.js";
import { draft } from "../../contract/store/drafts.js";

// A program of the tests: sends without end, several messages at once, and prints what became of each:
// "accepted MESSAGE_ID" or "refused CODE writable=BOOLEAN". Arguments: the database and the built worker.
const [, , path = "", workerUrl = ""] = process.argv;
const store = await openSqliteStore({ path, clock: systemClock, workerUrl: new URL(workerUrl) });

async function sendForever(): Promise<never> {
  for (;;) process.stdout.write(`${await sendOne()}\n`);
}

async function sendOne(): Promise<string> {
  const sent = draft({ text: "x".repeat(1000), from: { ...draft().from, peerId: "sender" } });
  try {
    const [result] = await store.queues.enqueue(sent, sent.to);
    return result?.ok === true ? `accepted ${sent.messageId}` : `refused ${result?.error.code}`;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return `refused ${error.code} writable=${(await store.health()).writable}`;
  }
}

await Promise.all(Array.from({ length: 8 }, sendForever));
