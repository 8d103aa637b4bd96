import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import {
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let broker: TestBroker;
let asker: TestPeer;
let worker: TestPeer;

beforeEach(async () => {
  broker = await startTestBroker();
  asker = await broker.join({ name: "asker" });
  worker = await broker.join({ name: "worker" });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe("an answer to a peer that was renamed", () => {
  test("reaches it under the name it had, whoever has that name now", async () => {
    const messageId = await ask();
    await rename(asker, "asker-2");
    const newcomer = await broker.join({ name: "asker" });
    const answer = { to: ["asker"], text: "forty-two", inReplyTo: messageId };
    const { results } = await worker.client.sendMessage(answer);
    expect(results.map(({ recipient }) => recipient?.name)).toEqual(["asker-2"]);
    expect(await textsTo(asker)).toEqual(["forty-two"]);
    expect(await textsTo(newcomer)).toEqual([]);
    const { record } = await asker.client.getMessage({ messageId });
    expect(record?.receipts[0]?.state).toBe(ReceiptState.ANSWERED);
  });

  test("reaches it under that name also where nobody has it, and by its present one", async () => {
    const messageId = await ask();
    await rename(asker, "elsewhere");
    for (const to of ["Asker", "elsewhere"]) {
      const { results } = await worker.client.sendMessage({
        to: [to],
        text: `to ${to}`,
        inReplyTo: messageId.slice(-8),
      });
      expect(results[0]?.recipient?.name).toBe("elsewhere");
    }
  });

  test("reaches the other recipients of the message under the names they had", async () => {
    const other = await broker.join({ name: "other" });
    const { messageId } = await asker.client.sendMessage({
      to: ["worker", "other"],
      text: "who does it?",
    });
    await rename(other, "other-2");
    const newcomer = await broker.join({ name: "other" });
    await worker.client.sendMessage({
      to: ["asker", "other"],
      text: "I do",
      inReplyTo: messageId,
    });
    expect(await textsTo(other)).toEqual(["I do", "who does it?"]);
    expect(await textsTo(newcomer)).toEqual([]);
  });

  test("does not reach a newcomer where the peer is gone", async () => {
    const messageId = await ask();
    const newcomer = await broker.join({ name: "newcomer" });
    const answer = { to: ["newcomer"], text: "to you", inReplyTo: messageId };
    await worker.client.sendMessage(answer);
    expect(await textsTo(newcomer)).toEqual(["to you"]);
  });
});

describe("a message id that another sender used too", () => {
  test("does not keep the answer from the one that is asked for", async () => {
    const messageId = await ask();
    const intruder = await broker.join({ name: "intruder" });
    for (const id of [messageId, ...sameEnding(messageId, 5)]) {
      await intruder.client.sendMessage({ to: ["worker"], text: `noise ${id}`, messageId: id });
    }
    for (const inReplyTo of [messageId, messageId.slice(-8)]) {
      await worker.client.sendMessage({ to: ["asker"], text: `re ${inReplyTo}`, inReplyTo });
    }
    const { record } = await asker.client.getMessage({ messageId });
    expect(record?.receipts[0]?.state).toBe(ReceiptState.ANSWERED);
  });

  test("means the first message that has it, for an answer to others and for a look at it", async () => {
    const messageId = await ask();
    const intruder = await broker.join({ name: "intruder" });
    await broker.join({ name: "third" });
    await intruder.client.sendMessage({ to: ["worker"], text: "noise", messageId });
    await worker.client.sendMessage({ to: ["third"], text: "asked me", inReplyTo: messageId });
    const { record } = await worker.client.getMessage({ messageId });
    expect(record?.message?.from?.name).toBe("asker");
  });

  test("does not keep the operator from putting a dead letter back", async () => {
    const messageId = await ask();
    const intruder = await broker.join({ name: "intruder" });
    await intruder.client.sendMessage({ to: ["asker"], text: "noise", messageId });
    const stream = worker.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await worker.client.ackMessages({ acks: [{ deliveryId, outcome: 4 }] });
    await broker.client("operator-token-of-the-tests-0123456789").redriveMessage({ messageId });
    expect((await stream.expect("delivery")).message?.text).toBe("what is it?");
    await stream.cancel();
  });

  test("still names the whole ids where one sender's messages end alike", async () => {
    const messageId = await ask();
    const [other = ""] = sameEnding(messageId, 1);
    await asker.client.sendMessage({ to: ["worker"], text: "and?", messageId: other });
    const answer = { to: ["asker"], text: "yes", inReplyTo: messageId.slice(-8) };
    expect(await reasonOf(worker.client.sendMessage(answer))).toBe("MESSAGE_AMBIGUOUS");
    await expect(worker.client.sendMessage(answer)).rejects.toThrow(other);
  });
});

async function ask(): Promise<string> {
  const messageId = randomUUID();
  await asker.client.sendMessage({ to: ["worker"], text: "what is it?", messageId });
  return messageId;
}

/** Other ids with the same last 8 characters. */
function sameEnding(messageId: string, count: number): string[] {
  return Array.from({ length: count }, () => randomUUID().slice(0, -8) + messageId.slice(-8));
}

async function rename(peer: TestPeer, name: string): Promise<void> {
  await peer.client.updatePeer({ name });
}

/** What the peer was sent, newest first. */
async function textsTo(peer: TestPeer): Promise<string[]> {
  const { peerId = "" } = peer.registered.peer ?? {};
  const { records } = await peer.client.listMessages({});
  const received = records.filter(({ message }) => message?.from?.peerId !== peerId);
  return received.map(({ message }) => message?.text ?? "");
}
