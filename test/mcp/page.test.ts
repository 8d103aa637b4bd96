import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HeldMessage } from "../../src/client/inbox.js";
import { makePage } from "../../src/mcp/page.js";
import { peerText } from "../../src/contract/peer-text.js";
import { held } from "../client/held.js";

describe("makePage", () => {
  test("shows a message with what says something and without what does not", () => {
    const message = held({
      messageId: "01890a5d-ac96-774b-bcce-b302099a8057",
      text: "the <type> changed",
    });
    expect(facts(makePage([message], { maxBytes: 10_000, limit: 10 }).messages)).toEqual([
      {
        id: "099a8057",
        from: { name: "api" },
        text: "the &lt;type> changed",
        sent_at: "2026-11-22T12:00:00Z",
      },
    ]);
  });

  test("names the answered message, urgency, structure, and that it was shown before", () => {
    const message = held(
      { inReplyTo: "01890a5d-ac96-774b-bcce-b302099a0001", urgency: 3, data: { ok: true } },
      { redelivered: true },
    );
    expect(facts(makePage([message], { maxBytes: 10_000, limit: 10 }).messages)).toMatchObject([
      { in_reply_to: "099a0001", urgency: "interrupt", data: { ok: true }, redelivered: true },
    ]);
  });

  test("tells the thread only where it is not what anyone would take it for", () => {
    const asked = "01890a5d-ac96-774b-bcce-b302099a0001";
    const threads = [
      held(),
      held({ inReplyTo: asked, threadId: asked }),
      held({ inReplyTo: asked, threadId: "release" }),
    ].map((message) => makePage([message], { maxBytes: 10_000, limit: 1 }).messages[0]?.thread_id);
    expect(threads).toEqual([undefined, undefined, "release"]);
  });

  test("fills a page with whole messages, in order, and never exceeds it", () => {
    const waiting = Array.from({ length: 10 }, () => held({ text: "x".repeat(300) }));
    const { messages, pieces } = makePage(waiting, { maxBytes: 2000, limit: 64 });
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.map((piece) => piece.held)).toEqual(waiting.slice(0, pieces.length));
    expect(Buffer.byteLength(JSON.stringify(messages))).toBeLessThanOrEqual(2000);
  });

  test("shows at most as many as asked for", () => {
    const waiting = [held(), held(), held()];
    expect(makePage(waiting, { maxBytes: 10_000, limit: 2 }).pieces).toHaveLength(2);
  });

  test("a message that is too large waits until it is the oldest, then comes in numbered parts", () => {
    const large = held({ text: "y".repeat(5000) });
    const first = makePage([held(), large], { maxBytes: 2000, limit: 64 });
    expect(first.pieces).toHaveLength(1);

    const parts = readParts(large, 2000);
    expect(parts.map(({ part }) => part)).toEqual(["1/3", "2/3", "3/3"]);
    expect(parts.map(({ text }) => text).join("")).toBe(large.message.text);
  });

  test("a large structure comes as pieces of its JSON, after the text", () => {
    const data = { list: Array.from({ length: 300 }, (_, index) => `entry ${index}`) };
    const parts = readParts(held({ text: "see data", data }), 2000);
    expect(parts[0]?.text).toBe("see data");
    expect(JSON.parse(parts.map((part) => part.data_json ?? "").join(""))).toEqual(data);
  });

  test("parts of any text fit and join to it, and no sign or character is cut in two", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        const message = held({ text: `${text}<"\\&lt;😀`.repeat(40) });
        const parts = readParts(message, 500).map((part) => part.text ?? "");
        expect(parts.length).toBeGreaterThan(1);
        for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
        expect(parts.map(readSigns).join("")).toBe(readSigns(parts.join("")));
        expect(parts.join("")).toBe(peerText(message.message.text));
      }),
      { numRuns: 50 },
    );
  });
});

/** What a reader makes of the two signs. */
function readSigns(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}

/** Shows a message page by page until it is whole. */
function readParts(message: HeldMessage, maxBytes: number) {
  const parts = [];
  for (;;) {
    const { messages, pieces } = makePage([message], { maxBytes, limit: 64 });
    expect(Buffer.byteLength(JSON.stringify(messages))).toBeLessThanOrEqual(maxBytes);
    parts.push(...messages);
    if (pieces[0]?.isLast !== false) return parts;
    message.partsShown = pieces[0].part + 1;
  }
}

/** What is sent: members without a value are not. */
function facts(messages: unknown): unknown {
  return JSON.parse(JSON.stringify(messages));
}
