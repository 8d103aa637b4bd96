import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState, type Receipt } from "../../gen/peerline/v1/message_pb.js";
import { defaultExpiresInMs, noticeDelayMs } from "../../src/broker/limits.js";
import type { Clock } from "../../src/clock.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  eventually,
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

let broker: TestBroker;
let sender: TestPeer;
let reader: TestPeer;

beforeEach(() => start());
afterEach(() => broker[Symbol.asyncDispose]());

async function start(clock?: Clock): Promise<void> {
  broker = await startTestBroker(clock === undefined ? {} : { clock });
  sender = await broker.join({ name: "sender" });
  reader = await broker.join({ name: "reader" });
}

/** Another broker, whose time passes when the test says so. */
async function restartWithClock(): Promise<StoppedClock> {
  await broker[Symbol.asyncDispose]();
  const clock = new StoppedClock();
  await start(clock);
  return clock;
}

async function receiptOf(messageId: string): Promise<Receipt | undefined> {
  return (await sender.client.getMessage({ messageId })).record?.receipts[0];
}

/** Sends a message that the reader rejects. */
async function deadLetter(text: string): Promise<string> {
  const stream = reader.subscribe();
  await stream.expect("started");
  const { messageId } = await sender.client.sendMessage({ to: ["reader"], text });
  const { deliveryId } = await stream.expect("delivery");
  const acks = [{ deliveryId, outcome: Outcome.REJECTED, reason: "not my job" }];
  await reader.client.ackMessages({ acks });
  await stream.cancel();
  return messageId;
}

describe("a sender is told of what ended", () => {
  test("when it expired with nobody there, in one notice, by the broker alone", async () => {
    const clock = await restartWithClock();
    const expiresIn = { seconds: 1n };
    const sent = [];
    for (const text of ["one", "two"]) {
      sent.push((await sender.client.sendMessage({ to: ["reader"], text, expiresIn })).messageId);
    }
    const stream = sender.subscribe();
    await stream.expect("started");
    clock.advance(1000);
    for (const messageId of sent) {
      await eventually(async () =>
        expect((await receiptOf(messageId))?.state).toBe(ReceiptState.EXPIRED),
      );
    }
    clock.advance(noticeDelayMs);
    const { message } = await stream.expect("delivery");
    expect(message?.from).toMatchObject({ name: "@peerline" });
    expect(message?.text).toContain("2 messages of yours were not delivered");
    for (const id of sent) {
      expect(message?.text).toContain(`${id.slice(-8)} to reader: it expired unread`);
    }
    await stream.cancel();
  });

  test("when it was dead-lettered, without the peer's words", async () => {
    const clock = await restartWithClock();
    await deadLetter("do this");
    const stream = sender.subscribe();
    await stream.expect("started");
    clock.advance(noticeDelayMs);
    const { message, deliveryId } = await stream.expect("delivery");
    expect(message?.text).toContain("to reader: it was given up");
    expect(JSON.stringify(message?.data)).not.toContain("not my job");
    // A notice that ends badly itself makes no notice.
    await sender.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.REJECTED }] });
    await stream.cancel();
    clock.advance(noticeDelayMs);
    const { records } = await broker.client(operatorToken).listMessages({});
    expect(records).toHaveLength(2);
  });

  test("nobody can take the name of the notices' sender", async () => {
    expect(await reasonOf(sender.client.updatePeer({ name: "@peerline" }))).toBe("FIELD_INVALID");
    expect(await reasonOf(reader.client.sendMessage({ to: ["@peerline"], text: "x" }))).toBe(
      "PEER_NOT_FOUND",
    );
  });

  test("what a live session holds unread is not expired under it before the grace", async () => {
    const clock = await restartWithClock();
    const stream = reader.subscribe();
    await stream.expect("started");
    const { messageId } = await sender.client.sendMessage({
      to: ["reader"],
      text: "quick",
      expiresIn: { seconds: 1n },
    });
    const { deliveryId } = await stream.expect("delivery");
    clock.advance(1000);
    expect((await receiptOf(messageId))?.state).toBe(ReceiptState.LEASED);
    const acks = [{ deliveryId, outcome: Outcome.EXPIRED }];
    const { results } = await reader.client.ackMessages({ acks });
    expect(results[0]?.state).toBe(ReceiptState.EXPIRED);
    await stream.cancel();
  });
});

describe("the dead-letter queue", () => {
  test("lists, redrives and drops, for the operator alone", async () => {
    const operator = broker.client(operatorToken);
    const first = await deadLetter("first");
    const second = await deadLetter("second");
    const { records } = await operator.listMessages({ state: ReceiptState.DEAD_LETTERED });
    expect(records.map(({ message }) => message?.text)).toEqual(["second", "first"]);
    expect(await reasonOf(sender.client.redriveMessage({ messageId: first }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(reader.client.dropMessage({ messageId: first }))).toBe("NOT_ALLOWED");

    const stream = reader.subscribe();
    await stream.expect("started");
    const { receipt } = await operator.redriveMessage({ messageId: first.slice(-8) });
    expect(receipt).toMatchObject({ state: ReceiptState.QUEUED, attempts: 0, reason: "" });
    const again = await stream.expect("delivery");
    expect(again.message?.text).toBe("first");
    await reader.client.ackMessages({
      acks: [{ deliveryId: again.deliveryId, outcome: Outcome.CONFIRMED }],
    });
    expect((await receiptOf(first))?.state).toBe(ReceiptState.CONFIRMED);
    await stream.cancel();

    await operator.dropMessage({ messageId: second, recipient: "reader" });
    expect(await reasonOf(operator.dropMessage({ messageId: second }))).toBe("MESSAGE_NOT_FOUND");
    expect(await reasonOf(operator.redriveMessage({ messageId: first }))).toBe("MESSAGE_NOT_FOUND");
    expect(await reasonOf(sender.client.getMessage({ messageId: second }))).toBe(
      "MESSAGE_NOT_FOUND",
    );
  });

  test("says of a message that is none of its own how far it has got", async () => {
    const operator = broker.client(operatorToken);
    const expiresIn = { seconds: 3600n };
    const { messageId } = await sender.client.sendMessage({ to: ["reader"], text: "x", expiresIn });
    const refusals = async () => {
      const calls = [operator.redriveMessage({ messageId }), operator.dropMessage({ messageId })];
      const said = await Promise.all(
        calls.map((call) => call.catch((error: Error) => error.message)),
      );
      expect(said[0]).toBe(said[1]);
      return said[0];
    };
    const start = "message_id: the message is not dead-lettered: ";
    expect(await refusals()).toBe(`${start}it still waits for reader`);
    const stream = reader.subscribe();
    await stream.expect("started");
    const { deliveryId } = await stream.expect("delivery");
    expect(await refusals()).toBe(`${start}it is with reader, which has not shown it yet`);
    const ack = (outcome: Outcome) =>
      reader.client.ackMessages({ acks: [{ deliveryId, outcome }] });
    await ack(Outcome.PRESENTED);
    expect(await refusals()).toBe(`${start}it was presented to reader`);
    await ack(Outcome.CONFIRMED);
    expect(await refusals()).toBe(`${start}reader has confirmed it`);
    await reader.client.sendMessage({ to: ["sender"], text: "y", inReplyTo: messageId });
    expect(await refusals()).toBe(`${start}reader has answered it`);
    await stream.cancel();

    const second = await sender.client.sendMessage({ to: ["reader", "sender"], text: "z" });
    const call = operator.dropMessage({ messageId: second.messageId });
    await expect(call).rejects.toThrow(
      `${start}it still waits for reader; it still waits for sender`,
    );
  });

  test("puts nothing back whose time to wait is over", async () => {
    const clock = await restartWithClock();
    const operator = broker.client(operatorToken);
    const messageId = await deadLetter("late");
    clock.advance(defaultExpiresInMs);
    expect(await reasonOf(operator.redriveMessage({ messageId }))).toBe("FIELD_INVALID");
    expect((await receiptOf(messageId))?.state).toBe(ReceiptState.DEAD_LETTERED);
  });

  test("asks which recipient is meant", async () => {
    const other = await broker.join({ name: "other" });
    const streams = [reader.subscribe(), other.subscribe()];
    for (const stream of streams) await stream.expect("started");
    const { messageId } = await sender.client.sendMessage({
      to: ["reader", "other"],
      text: "both",
    });
    for (const [index, peer] of [reader, other].entries()) {
      const delivery = await streams[index]?.expect("delivery");
      const acks = [{ deliveryId: delivery?.deliveryId ?? "", outcome: Outcome.REJECTED }];
      await peer.client.ackMessages({ acks });
    }
    const operator = broker.client(operatorToken);
    expect(await reasonOf(operator.redriveMessage({ messageId }))).toBe("PEER_AMBIGUOUS");
    await operator.redriveMessage({ messageId, recipient: "other" });
    expect((await streams[1]?.expect("delivery"))?.message?.text).toBe("both");
    for (const stream of streams) await stream.cancel();
  });
});

describe("retirement", () => {
  test("removes a peer unseen for long, and keeps one whose mail waits", async () => {
    const clock = new StoppedClock();
    const store = openMemoryStore({ clock });
    const before = await startTestBroker({ store, clock, keepStore: true });
    const gone = await before.join({ name: "gone" });
    const awaited = await before.join({ name: "awaited" });
    await gone.client.unregister({});
    await awaited.client.unregister({});
    const writer = await before.join({ name: "writer" });
    await writer.client.sendMessage({
      to: ["awaited"],
      text: "hello",
      expiresIn: { seconds: 364n * 86_400n },
    });
    await writer.client.unregister({});
    await before[Symbol.asyncDispose]();
    clock.advance(91 * 24 * 3_600_000);

    await using after = await startTestBroker({ store, clock });
    await eventually(async () => {
      const { peers } = await after.client(operatorToken).listPeers({});
      expect(peers.map(({ name }) => name).toSorted()).toEqual(["awaited", "writer"]);
    });
  });
});
