import { renameSync, truncateSync } from "node:fs";
import { expect, test } from "vitest";
import { silent } from "../../contract/store/bell.js";
import { ample, bob } from "../../contract/store/drafts.js";
import { openStore } from "./open-store.js";
import { acceptedIds, SenderProcess } from "./sender-process.js";
import { temporaryDatabase } from "./temporary-database.js";

test("what was accepted is there after kill -9, again and again", async () => {
  const path = temporaryDatabase();
  const accepted = new Set<string>();
  for (const count of [1, 150, 700]) {
    const sender = await SenderProcess.start(path);
    const lines = await sender.linesUntil((_line, index) => index >= count);
    lines.push(...(await sender.kill()));
    for (const id of acceptedIds(lines)) accepted.add(id);

    const store = await openStore(path);
    const messages = await store.queues
      .open({ peerId: bob.peerId, epoch: 1 }, silent)
      .next(ample10k);
    const stored = new Set(messages.map(({ message }) => message.messageId));
    expect([...accepted].filter((id) => !stored.has(id))).toEqual([]);
    // What was under way may have been stored without a word, and no more than that.
    expect(stored.size - accepted.size).toBeLessThanOrEqual(8 * 3);
    expect(stored.size).toBe(messages.length);
    await store[Symbol.asyncDispose]();
  }
  expect(accepted.size).toBeGreaterThan(800);
});

test.each(["gone", "empty"])(
  "a log whose database is %s is salvaged: all of the mail may be in it",
  async (state) => {
    const path = temporaryDatabase();
    const sender = await SenderProcess.start(path);
    const lines = await sender.linesUntil((_line, index) => index >= 20);
    lines.push(...(await sender.kill()));
    if (state === "gone") renameSync(path, `${path}.elsewhere`);
    else truncateSync(path);
    const told: string[] = [];
    const store = await openStore(path, { onDamage: (words) => told.push(words) });
    const messages = await store.queues
      .open({ peerId: bob.peerId, epoch: 1 }, silent)
      .next(ample10k);
    const stored = new Set(messages.map(({ message }) => message.messageId));
    expect(acceptedIds(lines).filter((id) => !stored.has(id))).toEqual([]);
    expect(told).toEqual([expect.stringContaining("its WAL is not")]);
  },
);

const ample10k = { ...ample, maxMessages: 10_000 };
