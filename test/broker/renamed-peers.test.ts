import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import {
  operatorToken,
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
});

describe("a name that was given up", () => {
  test("leads to who had it, while nobody has it", async () => {
    await rename(asker, "asker-2");
    const send = worker.client.sendMessage({ to: ["asker"], text: "hello" });
    expect(await reasonOf(send)).toBe("PEER_NOT_FOUND");
    await expect(send).rejects.toThrow('"asker" any more: the one that was is "asker-2" now');
    await rename(asker, "asker-3");
    await expect(worker.client.sendMessage({ to: ["asker"], text: "hello" })).rejects.toThrow(
      '"asker-3" now',
    );
    await rename(asker, "asker");
    await worker.client.sendMessage({ to: ["asker"], text: "hello" });
  });

  test("is not somebody else's for a peer that wrote with who had it", async () => {
    await ask();
    await rename(asker, "asker-2");
    const newcomer = await broker.join({ name: "asker" });
    const newId = newcomer.registered.peer?.peerId ?? "";
    await newcomer.client.sendMessage({ to: ["worker"], text: "hi, it is me" });
    const send = worker.client.sendMessage({ to: ["asker"], text: "for the asker" });
    expect(await reasonOf(send)).toBe("PEER_RENAMED");
    await expect(send).rejects.toThrow(
      `"asker" is another peer now, and the one you know is "asker-2" now: send to "asker-2", or to the id ${newId}`,
    );
    expect(await textsTo(newcomer)).toEqual([]);
    await worker.client.sendMessage({ to: ["asker-2"], text: "for you" });
    // Who has written to the newcomer knows it by its name.
    await worker.client.sendMessage({ to: [newId], text: "who are you?" });
    await worker.client.sendMessage({ to: ["asker"], text: "and now?" });
    expect(await textsTo(newcomer)).toEqual(["and now?", "who are you?"]);
  });

  test("is the newcomer's for everybody else", async () => {
    await rename(asker, "asker-2");
    const newcomer = await broker.join({ name: "asker" });
    await worker.client.sendMessage({ to: ["asker"], text: "hello" });
    await asker.client.sendMessage({ to: ["asker"], text: "you have my name" });
    expect(await textsTo(newcomer)).toEqual(["you have my name", "hello"]);
  });

  test("is whose the caller says that it knows it to be", async () => {
    const send = (knownPeers: Record<string, string>) =>
      worker.client.sendMessage({ to: ["Asker"], text: `${texts++}`, knownPeers });
    let texts = 0;
    await send(asAsker(asker));
    await rename(asker, "asker-2");
    const newcomer = await broker.join({ name: "asker" });
    expect(await reasonOf(send(asAsker(asker)))).toBe("PEER_RENAMED");
    await send(asAsker(newcomer));
    expect(await reasonOf(send({ asker: "nobody" }))).toBe("PEER_RENAMED");
  });

  test("is remembered by a broker that starts anew, and of many names the last ones", async () => {
    const store = openMemoryStore({ clock: systemClock });
    {
      await using before = await startTestBroker({ store, keepStore: true });
      const peer = await before.join({ name: "n0" });
      for (let number = 1; number <= 10; number++) await rename(peer, `n${number}`);
    }
    await using after = await startTestBroker({ store });
    const other = await after.join({ name: "other" });
    const sendTo = (to: string) => other.client.sendMessage({ to: [to], text: "hello" });
    await expect(sendTo("n9")).rejects.toThrow('"n10" now');
    await expect(sendTo("n2")).rejects.toThrow('"n10" now');
    await expect(sendTo("n1")).rejects.toThrow("did you mean");
  });
});

describe("a subscriber", () => {
  test("is told what the sender of a delivery is called now", async () => {
    await ask();
    await rename(asker, "asker-2");
    await asker.client.sendMessage({ to: ["worker"], text: "and this?" });
    const stream = worker.subscribe();
    await stream.expect("started");
    const [first, second] = [await stream.expect("delivery"), await stream.expect("delivery")];
    expect([first.message?.from?.name, first.sender?.name]).toEqual(["asker", "asker-2"]);
    expect([second.message?.from?.name, second.sender]).toEqual(["asker-2", undefined]);
    await stream.cancel();
  });

  test("hears of a new name of one whose message it holds, and of no other's", async () => {
    const other = await broker.join({ name: "other" });
    await ask();
    const stream = worker.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    await rename(other, "other-2");
    await rename(asker, "asker-2");
    const { sender } = await stream.expect("senderRenamed");
    expect([sender?.name, sender?.peerId]).toEqual(["asker-2", asker.registered.peer?.peerId]);
    await worker.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
    await rename(asker, "asker-3");
    await asker.client.sendMessage({ to: ["worker"], text: "and now?" });
    expect((await stream.expect("delivery")).message?.from?.name).toBe("asker-3");
    await stream.cancel();
  });

  test("is told of what waits by the names that senders have now", async () => {
    await ask();
    await asker.client.sendMessage({ to: ["worker"], text: "and this?" });
    await rename(asker, "asker-2");
    const stream = worker.subscribe({ maxMessages: 1 });
    await stream.expect("started");
    await stream.expect("delivery");
    expect((await stream.expect("backlog")).senders).toEqual(["asker-2"]);
    await rename(asker, "asker-3");
    await stream.expect("senderRenamed");
    expect((await stream.expect("backlog")).senders).toEqual(["asker-3"]);
    await stream.cancel();
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
    await worker.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.REJECTED }] });
    await broker.client(operatorToken).redriveMessage({ messageId });
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

/** As a client that knows this peer by the name. */
function asAsker(peer: TestPeer): Record<string, string> {
  return { asker: peer.registered.peer?.peerId ?? "" };
}

/** What the peer was sent, newest first. */
async function textsTo(peer: TestPeer): Promise<string[]> {
  const { peerId = "" } = peer.registered.peer ?? {};
  const { records } = await peer.client.listMessages({});
  const received = records.filter(({ message }) => message?.from?.peerId !== peerId);
  return received.map(({ message }) => message?.text ?? "");
}
