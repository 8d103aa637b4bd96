import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import {
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let broker: TestBroker;
let api: TestPeer;
let web: TestPeer;

beforeEach(async () => {
  broker = await startTestBroker();
  api = await broker.join({ name: "api" });
  web = await broker.join({ name: "web", profile: { host: "box" } });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe("SendMessage", () => {
  test("says where the message stands and how each recipient is reached", async () => {
    const stream = web.subscribe();
    await stream.expect("started");
    const answer = await api.client.sendMessage({ to: ["web", "api", "WEB"], text: "hello" });
    expect(answer.results.map(({ recipient, reach }) => [recipient?.name, reach])).toEqual([
      ["web", Reach.NEXT_TURN],
      ["api", Reach.STORED],
    ]);
    expect(answer.results[1]?.state).toBe(ReceiptState.QUEUED);
    expect(answer.threadId).toBe(answer.messageId);
    await stream.cancel();
  });

  test("finds a recipient by name, name@host, id and the end of an id", async () => {
    const { peerId = "" } = web.registered.peer ?? {};
    const ends = [peerId.slice(-8), peerId.slice(-13), peerId.slice(-12).toUpperCase()];
    for (const to of ["web", "web@box", peerId, ` ${peerId.toUpperCase()} `, ...ends]) {
      const { results } = await api.client.sendMessage({ to: [to], text: `hello ${to}` });
      expect(results[0]?.recipient?.name).toBe("web");
    }
    expect(await reasonOf(api.client.sendMessage({ to: ["web@elsewhere"], text: "hello" }))).toBe(
      "PEER_NOT_FOUND",
    );
  });

  test("stores nothing when one recipient is unknown, and names near ones", async () => {
    const call = api.client.sendMessage({ to: ["web", "wen"], text: "hello" });
    expect(await reasonOf(call)).toBe("PEER_NOT_FOUND");
    await expect(call).rejects.toThrow("did you mean web?");
    const { records } = await web.client.listMessages({});
    expect(records).toEqual([]);
  });

  test("takes no part of an id but its end", async () => {
    const { peerId = "" } = web.registered.peer ?? {};
    // The first eight characters are a time, which peers made in the same minute share.
    for (const part of [peerId.slice(0, 8), peerId.slice(0, 23), peerId.slice(-7)]) {
      const call = api.client.sendMessage({ to: [part], text: "hello" });
      expect(await reasonOf(call), part).toBe("PEER_NOT_FOUND");
    }
  });

  test("stores the same message_id once, and says that it is a duplicate", async () => {
    const request = { to: ["web"], text: "hello", messageId: randomUUID() };
    const first = await api.client.sendMessage(request);
    const [again, also] = await Promise.all([
      api.client.sendMessage(request),
      api.client.sendMessage(request),
    ]);
    expect(first.results[0]?.duplicate).toBe(false);
    expect([again.results[0]?.duplicate, also.results[0]?.duplicate]).toEqual([true, true]);
    expect((await web.client.listMessages({})).records).toHaveLength(1);
    const more = await api.client.sendMessage({ ...request, to: ["web", "api"] });
    expect(more.results.map(({ duplicate }) => duplicate)).toEqual([true, false]);
    expect(await reasonOf(api.client.sendMessage({ ...request, text: "other" }))).toBe(
      "MESSAGE_ID_REUSED",
    );
    const fromOther = await web.client.sendMessage({ ...request, to: ["api"] });
    expect(fromOther.results[0]?.duplicate).toBe(false);
  });

  test("takes data whose keys come in another order for the same", async () => {
    const messageId = randomUUID();
    await api.client.sendMessage({
      to: ["web"],
      text: "t",
      messageId,
      data: { a: 1, b: { c: [1], d: null } },
    });
    const again = { to: ["web"], text: "t", messageId, data: { b: { d: null, c: [1] }, a: 1 } };
    expect((await api.client.sendMessage(again)).results[0]?.duplicate).toBe(true);
    const { records } = await web.client.listMessages({});
    expect(records[0]?.message?.data).toEqual({ a: 1, b: { c: [1], d: null } });
  });

  test("an answer moves the receipt of what it answers, and joins its thread", async () => {
    const asked = await api.client.sendMessage({
      to: ["web"],
      text: "ready?",
      threadId: "release",
    });
    const short = asked.messageId.slice(-8);
    const answered = await web.client.sendMessage({ to: ["api"], text: "yes", inReplyTo: short });
    expect(answered.threadId).toBe("release");
    const { record } = await api.client.getMessage({ messageId: asked.messageId });
    expect(record?.receipts[0]).toMatchObject({
      state: ReceiptState.ANSWERED,
      confirmedBy: ConfirmedBy.REPLY,
    });
    const stream = web.subscribe();
    await stream.expect("started");
    await api.client.sendMessage({ to: ["web"], text: "thanks" });
    expect((await stream.expect("delivery")).message?.text).toBe("thanks");
    await stream.cancel();
  });

  test("an answer that goes to others than who asked leaves the question open", async () => {
    await broker.join({ name: "other" });
    const { messageId } = await api.client.sendMessage({ to: ["web"], text: "ready?" });
    await web.client.sendMessage({ to: ["other"], text: "is it?", inReplyTo: messageId });
    const state = async (): Promise<ReceiptState | undefined> =>
      (await api.client.getMessage({ messageId })).record?.receipts[0]?.state;
    expect(await state()).toBe(ReceiptState.QUEUED);
    await web.client.sendMessage({ to: ["other", "api"], text: "yes", inReplyTo: messageId });
    expect(await state()).toBe(ReceiptState.ANSWERED);
  });

  test("answers only what the caller sent or received", async () => {
    const other = await broker.join({ name: "other" });
    const { messageId } = await api.client.sendMessage({ to: ["web"], text: "secret" });
    const call = other.client.sendMessage({ to: ["api"], text: "re", inReplyTo: messageId });
    expect(await reasonOf(call)).toBe("MESSAGE_NOT_FOUND");
    expect(await reasonOf(other.client.getMessage({ messageId }))).toBe("MESSAGE_NOT_FOUND");
  });

  test.each([
    ["no recipient", { to: [], text: "x" }, "FIELD_REQUIRED"],
    ["an empty recipient", { to: [" "], text: "x" }, "FIELD_REQUIRED"],
    ["no text", { to: ["web"], text: "" }, "FIELD_REQUIRED"],
    ["too much text", { to: ["web"], text: "é".repeat(8193) }, "FIELD_TOO_LARGE"],
    [
      "too much data",
      { to: ["web"], text: "x", data: { a: "x".repeat(16384) } },
      "FIELD_TOO_LARGE",
    ],
    [
      "too many recipients",
      { to: Array.from({ length: 257 }, () => "web"), text: "x" },
      "FIELD_TOO_LARGE",
    ],
    ["an id that is no UUID", { to: ["web"], text: "x", messageId: "1" }, "FIELD_INVALID"],
    ["a thread with spaces", { to: ["web"], text: "x", threadId: "a b" }, "FIELD_INVALID"],
    ["an unknown urgency", { to: ["web"], text: "x", urgency: 99 }, "FIELD_INVALID"],
    ["no time to wait", { to: ["web"], text: "x", expiresIn: { seconds: 0n } }, "FIELD_INVALID"],
    ["a negative time", { to: ["web"], text: "x", expiresIn: { seconds: -5n } }, "FIELD_INVALID"],
    ["a short reference", { to: ["web"], text: "x", inReplyTo: "abc" }, "FIELD_INVALID"],
    [
      "an unknown reference",
      { to: ["web"], text: "x", inReplyTo: "deadbeef" },
      "MESSAGE_NOT_FOUND",
    ],
  ])("refuses %s", async (_what, request, reason) => {
    expect(await reasonOf(api.client.sendMessage(request))).toBe(reason);
  });

  test("takes text of exactly the greatest size", async () => {
    const text = "x".repeat(16384);
    const stream = web.subscribe();
    await stream.expect("started");
    await api.client.sendMessage({ to: ["web"], text });
    expect((await stream.expect("delivery")).message?.text).toBe(text);
    await stream.cancel();
  });
});
