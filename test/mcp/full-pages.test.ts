import { expect, test } from "vitest";
import { inboxMessages } from "../../src/client/limits.js";
import { fillPageMs } from "../../src/mcp/limits.js";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";

test("500 messages that wait are read in 8 calls, oldest first, each once", async () => {
  await using home = await TestHome.open();
  const [reader, writer] = await home.startAll("reader", "writer");
  const texts = Array.from({ length: 500 }, (_, index) => `message ${index}`);
  await Promise.all(
    texts.map((message) => writer.facts("send_message", { to: "reader", message })),
  );
  await seesWaiting(reader, texts.length);
  const pages: { text: string; redelivered?: true }[][] = [];
  const short: { length: number; ms: number }[] = [];
  let unread: number;
  do {
    const startMs = performance.now();
    const result = await reader.facts("get_messages");
    const { length } = result.messages;
    pages.push(result.messages);
    unread = result.unread;
    if (unread > 0 && length < inboxMessages)
      short.push({ length, ms: performance.now() - startMs });
  } while (unread > 0 && pages.length <= texts.length);
  const read = pages.flat();
  expect(read.map(({ text }) => text).toSorted()).toEqual(texts.toSorted());
  expect(read.some(({ redelivered }) => redelivered)).toBe(false);
  // Only a broker that is slow makes more pages: each short one has waited for it.
  for (const { ms } of short) expect(ms).toBeGreaterThanOrEqual(fillPageMs);
  expect(pages.length - short.length).toBeLessThanOrEqual(8);
});

test("a page that is full, or as long as was asked for, waits for no more", async () => {
  await using home = await TestHome.open();
  const [reader, writer] = await home.startAll("reader", "writer");
  const long = "x".repeat(8_000);
  await Promise.all(
    Array.from({ length: inboxMessages + 6 }, (_, index) =>
      writer.facts("send_message", { to: "reader", message: `${index} ${long}` }),
    ),
  );
  await seesWaiting(reader, inboxMessages + 6);
  const { messages: two } = await reader.facts("get_messages", { limit: 2 });
  expect(two).toHaveLength(2);
  const { messages, unread, more } = await reader.facts("get_messages");
  expect(messages).toHaveLength(2);
  expect({ unread, more }).toEqual({ unread: inboxMessages + 2, more: true });
});

/** What was accepted is on its way to its reader for some moments more: it has heard of all of it. */
async function seesWaiting(reader: Agent, count: number): Promise<void> {
  await eventually(async () =>
    expect((await reader.facts("get_messages", { peek: true })).unread).toBe(count),
  );
}
