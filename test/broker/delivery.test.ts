import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Outcome, type Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../../src/clock.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { Code } from "../../src/rpc/error.js";
import { errorOf } from "../../src/rpc/status.js";
import {
  entryReason,
  eventually,
  reasonIn,
  startTestBroker,
  type TestBroker,
  type TestPeer,
  type TestStream,
} from "../support/test-broker.js";

let broker: TestBroker;
let sender: TestPeer;
let reader: TestPeer;

beforeEach(() => start());
afterEach(() => broker[Symbol.asyncDispose]());

async function start(clock?: Clock): Promise<void> {
  broker = await startTestBroker(clock === undefined ? {} : { clock });
  sender = await broker.join({ name: "sender", instanceId: "s" });
  reader = await broker.join({ name: "reader", instanceId: "r" });
}

/** Another broker, whose time passes when the test says so. */
async function restartWithClock(): Promise<StoppedClock> {
  await broker[Symbol.asyncDispose]();
  const clock = new StoppedClock();
  await start(clock);
  return clock;
}

async function send(text: string): Promise<string> {
  return (await sender.client.sendMessage({ to: ["reader"], text })).messageId;
}

async function stateOf(messageId: string): Promise<ReceiptState | undefined> {
  return (await sender.client.getMessage({ messageId })).record?.receipts[0]?.state;
}

async function open(peer = reader, credit = {}): Promise<TestStream> {
  const stream = peer.subscribe(credit);
  await stream.expect("started");
  return stream;
}

async function ack(
  delivery: Delivery,
  outcome: Outcome,
  peer = reader,
): Promise<ReceiptState | string> {
  const { results } = await peer.client.ackMessages({
    acks: [{ deliveryId: delivery.deliveryId, outcome }],
  });
  return results.map((result) => entryReason(result) ?? result.state)[0] ?? "no answer";
}

/** The reader's process dies and another one of the same identity starts. */
async function restart(instanceId: string): Promise<TestPeer> {
  reader.cut();
  return eventually(() => broker.join({ secret: reader.secret, instanceId }));
}

describe("delivery", () => {
  test("hands mail to the stream at once, in order, and the ladder is climbed by reports", async () => {
    const stream = await open();
    const ids = [await send("one"), await send("two"), await send("three")];
    const deliveries = [
      await stream.expect("delivery"),
      await stream.expect("delivery"),
      await stream.expect("delivery"),
    ];
    expect(deliveries.map(({ message }) => message?.messageId)).toEqual(ids);
    expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([false, false, false]);
    const [first] = deliveries as [Delivery];
    const [id = ""] = ids;
    expect(await stateOf(id)).toBe(ReceiptState.LEASED);
    expect(await ack(first, Outcome.PRESENTED)).toBe(ReceiptState.PRESENTED);
    expect(await stateOf(id)).toBe(ReceiptState.PRESENTED);
    expect(await ack(first, Outcome.CONFIRMED)).toBe(ReceiptState.CONFIRMED);
    const receipt = (await sender.client.getMessage({ messageId: id })).record?.receipts[0];
    expect(receipt).toMatchObject({
      state: ReceiptState.CONFIRMED,
      confirmedBy: ConfirmedBy.EXPLICIT_ACK,
    });
    expect(receipt?.confirmedTime).toBeDefined();
    await stream.cancel();
  });

  test("stores mail for a peer that is offline", async () => {
    const id = await send("later");
    expect(await stateOf(id)).toBe(ReceiptState.QUEUED);
    const stream = await open();
    expect((await stream.expect("delivery")).message?.text).toBe("later");
    await stream.cancel();
  });

  test("offers again, marked, what was not confirmed when the stream ended", async () => {
    const stream = await open();
    await send("confirmed");
    await send("presented");
    await send("leased");
    const [confirmed, presented] = [
      await stream.expect("delivery"),
      await stream.expect("delivery"),
    ];
    await stream.expect("delivery");
    await ack(confirmed, Outcome.CONFIRMED);
    await ack(presented, Outcome.PRESENTED);
    const successor = await restart("r2");
    const again = await open(successor);
    const offered = [await again.expect("delivery"), await again.expect("delivery")];
    expect(
      offered.map(({ message, redelivered, attempts }) => [message?.text, redelivered, attempts]),
    ).toEqual([
      ["presented", true, 1],
      ["leased", true, 0],
    ]);
    await again.cancel();
  });

  test("does not count an attempt when the same instance comes back", async () => {
    const stream = await open();
    await send("hello");
    await ack(await stream.expect("delivery"), Outcome.PRESENTED);
    await stream.cancel();
    const again = await open();
    expect(await again.expect("delivery")).toMatchObject({ redelivered: true, attempts: 0 });
    await again.cancel();
  });

  test("dead-letters what was presented and never confirmed too often", async () => {
    const id = await send("poison");
    let peer = reader;
    for (let attempt = 0; attempt < 5; attempt++) {
      const stream = await open(peer);
      const delivery = await stream.expect("delivery");
      expect(delivery.attempts).toBe(attempt);
      await ack(delivery, Outcome.PRESENTED, peer);
      peer.cut();
      peer = await eventually(() =>
        broker.join({ secret: reader.secret, instanceId: `again-${attempt}` }),
      );
    }
    const stream = await open(peer);
    await eventually(async () => expect(await stateOf(id)).toBe(ReceiptState.DEAD_LETTERED));
    const receipt = (await sender.client.getMessage({ messageId: id })).record?.receipts[0];
    expect(receipt?.reason).toContain("never confirmed");
    await stream.cancel();
  });

  test("offers a returned message again, and dead-letters it with its reason in the end", async () => {
    const stream = await open();
    await send("try again");
    const first = await stream.expect("delivery");
    await ack(first, Outcome.RETURNED);
    const second = await stream.expect("delivery");
    expect(second).toMatchObject({ redelivered: true, attempts: 1 });
    expect(second.deliveryId).not.toBe(first.deliveryId);
    expect(await ack(second, Outcome.REJECTED)).toBe(ReceiptState.DEAD_LETTERED);
    expect(await ack(second, Outcome.REJECTED)).toBe(ReceiptState.DEAD_LETTERED);
    await stream.cancel();
  });

  test("a message that is returned is a dead letter with the fifth time, and not before", async () => {
    const id = await send("no, thank you");
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(await stateOf(id)).not.toBe(ReceiptState.DEAD_LETTERED);
      // A new stream does not wait for the time that a returned message rests.
      const stream = await open();
      const delivery = await stream.expect("delivery");
      expect(delivery.attempts).toBe(attempt);
      await ack(delivery, Outcome.RETURNED);
      await stream.cancel();
    }
    expect(await stateOf(id)).toBe(ReceiptState.DEAD_LETTERED);
    const receipt = (await sender.client.getMessage({ messageId: id })).record?.receipts[0];
    expect(receipt).toMatchObject({ attempts: 5, reason: expect.stringContaining("returned") });
  });

  test("answers a repeated report, also from a later session", async () => {
    const stream = await open();
    await send("hello");
    const delivery = await stream.expect("delivery");
    await ack(delivery, Outcome.CONFIRMED);
    expect(await ack(delivery, Outcome.CONFIRMED)).toBe(ReceiptState.CONFIRMED);
    expect(await ack(delivery, Outcome.PRESENTED)).toBe(ReceiptState.CONFIRMED);
    const successor = await restart("r2");
    expect(await ack(delivery, Outcome.CONFIRMED, successor)).toBe(ReceiptState.CONFIRMED);
  });

  test("refuses reports on stale, foreign and invented deliveries, one by one", async () => {
    const stream = await open();
    await send("hello");
    const delivery = await stream.expect("delivery");
    expect(await ack(delivery, Outcome.CONFIRMED, sender)).toBe("DELIVERY_NOT_FOUND");
    const successor = await restart("r2");
    const again = await open(successor);
    const offered = await again.expect("delivery");
    for (const outcome of [Outcome.PRESENTED, Outcome.CONFIRMED, Outcome.REJECTED]) {
      expect(await ack(delivery, outcome, successor)).toBe("DELIVERY_STALE");
    }
    const { results } = await successor.client.ackMessages({
      acks: [
        { deliveryId: "invented", outcome: Outcome.CONFIRMED },
        { deliveryId: "" },
        { deliveryId: offered.deliveryId, outcome: Outcome.CONFIRMED },
      ],
    });
    expect(results.map((result) => entryReason(result) ?? result.state)).toEqual([
      "DELIVERY_NOT_FOUND",
      "FIELD_REQUIRED",
      ReceiptState.CONFIRMED,
    ]);
    await again.cancel();
  });

  test("takes no late report on a delivery of the session's former stream for one on its new delivery", async () => {
    const id = await send("hello");
    const former = await open();
    const first = await former.expect("delivery");
    await former.cancel();
    const stream = await open();
    const second = await stream.expect("delivery");
    expect(second.deliveryId).not.toBe(first.deliveryId);
    for (const outcome of [Outcome.PRESENTED, Outcome.CONFIRMED, Outcome.REJECTED]) {
      expect(await ack(first, outcome)).toBe("DELIVERY_STALE");
    }
    // The former delivery was given back with its stream, as this report says: it changes nothing.
    expect(await ack(first, Outcome.RETURNED)).toBe(ReceiptState.LEASED);
    expect(await ack(second, Outcome.CONFIRMED)).toBe(ReceiptState.CONFIRMED);
    const receipt = (await sender.client.getMessage({ messageId: id })).record?.receipts[0];
    expect(receipt).toMatchObject({ state: ReceiptState.CONFIRMED, attempts: 0 });
    await stream.cancel();
  });

  test("takes no mail for read because a client forgot to say what became of it", async () => {
    const stream = await open();
    const id = await send("hello");
    const delivery = await stream.expect("delivery");
    expect(await ack(delivery, Outcome.UNSPECIFIED)).toBe("FIELD_REQUIRED");
    expect(await ack(delivery, 9 as Outcome)).toBe("FIELD_INVALID");
    expect(await stateOf(id)).toBe(ReceiptState.LEASED);
    expect(await ack(delivery, Outcome.CONFIRMED)).toBe(ReceiptState.CONFIRMED);
    await stream.cancel();
  });

  test("takes a report twice, and in one call as in two", async () => {
    const stream = await open();
    await send("returned");
    const first = await stream.expect("delivery");
    expect(await ack(first, Outcome.RETURNED)).toBe(ReceiptState.LEASED);
    expect(await ack(first, Outcome.RETURNED)).toBe(ReceiptState.LEASED);
    const again = await stream.expect("delivery");
    expect(again).toMatchObject({ redelivered: true, attempts: 1 });
    expect(await ack(again, Outcome.CONFIRMED)).toBe(ReceiptState.CONFIRMED);
    expect(await ack(again, Outcome.RETURNED)).toBe("DELIVERY_STALE");

    for (const [one, other, state] of [
      [Outcome.CONFIRMED, Outcome.REJECTED, ReceiptState.CONFIRMED],
      [Outcome.REJECTED, Outcome.CONFIRMED, ReceiptState.DEAD_LETTERED],
    ] as const) {
      await send(`in two calls ${one}`);
      const apart = await stream.expect("delivery");
      const inTwo = [await ack(apart, one), await ack(apart, other)];
      await send(`in one call ${one}`);
      const { deliveryId } = await stream.expect("delivery");
      const { results } = await reader.client.ackMessages({
        acks: [one, other, one].map((outcome) => ({ deliveryId, outcome })),
      });
      const inOne = results.map((result) => entryReason(result) ?? result.state);
      expect(inTwo).toEqual([state, "DELIVERY_STALE"]);
      expect(inOne).toEqual([...inTwo, state]);
      expect(results[1]?.error?.message).toContain("already");
    }
    await stream.cancel();
  });

  test("says what is wrong with one report as it does with a whole call", async () => {
    const deliveryId = "x".repeat(129);
    const { results } = await reader.client.ackMessages({
      acks: [
        { deliveryId, outcome: Outcome.CONFIRMED },
        { deliveryId: "x", outcome: 2, reason: "x".repeat(501) },
      ],
    });
    const errors = results.map(({ error }) => error && errorOf(error));
    expect(errors.map((error) => [error?.code, error?.findDetail(ErrorInfoSchema)])).toMatchObject([
      [
        Code.InvalidArgument,
        {
          reason: "FIELD_TOO_LARGE",
          domain: "peerline.v1",
          metadata: { field: "delivery_id", limit: "delivery_id_bytes", maximum: "128" },
        },
      ],
      [Code.InvalidArgument, { reason: "FIELD_TOO_LARGE", metadata: { field: "reason" } }],
    ]);
  });

  test("refuses an expiry that has not come", async () => {
    const stream = await open();
    await send("hello");
    expect(await ack(await stream.expect("delivery"), Outcome.EXPIRED)).toBe("FIELD_INVALID");
    await stream.cancel();
  });

  test("does not deliver what has expired", async () => {
    const clock = await restartWithClock();
    const request = { to: ["reader"], text: "quick", expiresIn: { seconds: 1n } };
    const { messageId } = await sender.client.sendMessage(request);
    clock.advance(1000);
    await send("still good");
    const stream = await open();
    expect((await stream.expect("delivery")).message?.text).toBe("still good");
    expect(await stateOf(messageId)).toBe(ReceiptState.EXPIRED);
    await stream.cancel();
  });
});

describe("credit", () => {
  test("stops at the messages asked for, tells the backlog, and goes on with each report", async () => {
    for (const text of ["one", "two", "three", "four"]) await send(text);
    const stream = await open(reader, { maxMessages: 2 });
    const first = await stream.expect("delivery");
    const second = await stream.expect("delivery");
    expect(await stream.expect("backlog")).toMatchObject({ unread: 2n, senders: ["sender"] });
    await ack(first, Outcome.PRESENTED);
    expect((await stream.expect("delivery")).message?.text).toBe("three");
    expect(await stream.expect("backlog")).toMatchObject({ unread: 1n });
    await ack(second, Outcome.CONFIRMED);
    expect((await stream.expect("delivery")).message?.text).toBe("four");
    expect(await stream.expect("backlog")).toMatchObject({ unread: 0n, senders: [] });
    await stream.cancel();
  });

  test("stops at the bytes asked for", async () => {
    for (let index = 0; index < 4; index++) await send(`${index}`.repeat(1000));
    const stream = await open(reader, { maxBytes: 1500n });
    await stream.expect("delivery");
    await stream.expect("delivery");
    expect(await stream.expect("backlog")).toMatchObject({ unread: 2n });
    await stream.cancel();
  });

  test("comes back with an answer, which ends the lease of what it answers", async () => {
    const stream = await open(reader, { maxMessages: 1 });
    const [first, second] = [await send("ready?"), await send("and now?")];
    const asked = await stream.expect("delivery");
    expect(asked.message?.messageId).toBe(first);
    expect((await stream.expect("backlog")).unread).toBe(1n);
    await reader.client.sendMessage({ to: ["sender"], text: "yes", inReplyTo: first });
    const next = await stream.expect("delivery");
    expect(next.message?.messageId).toBe(second);
    expect(await stateOf(first)).toBe(ReceiptState.ANSWERED);
    expect(await ack(asked, Outcome.RETURNED)).toBe("DELIVERY_STALE");
    expect(await ack(asked, Outcome.CONFIRMED)).toBe(ReceiptState.ANSWERED);
    await stream.cancel();
  });

  test("refuses more than the greatest credit", async () => {
    const stream = reader.subscribe({ maxMessages: 1025 });
    expect(reasonIn(await stream.failure())).toBe("FIELD_INVALID");
  });
});

describe("streams", () => {
  test("a newer stream of the session ends the older one", async () => {
    const older = await open();
    const newer = await open();
    expect(await older.expect("closing")).toMatchObject({ reason: 1 });
    expect(reasonIn(await older.failure())).toBe("SUPERSEDED");
    await send("hello");
    expect((await newer.expect("delivery")).message?.text).toBe("hello");
    await newer.cancel();
  });

  test("Unregister ends the stream in good order, and the peer is offline at once", async () => {
    const stream = await open();
    await reader.client.unregister({});
    expect(await stream.expect("closing")).toMatchObject({ reason: 3 });
    expect(await stream.failure()).toBeUndefined();
    const { peers } = await sender.client.listPeers({});
    expect(peers.find(({ name }) => name === "reader")?.online).toBe(false);
  });

  test("a stopping broker says so", async () => {
    const stream = await open();
    const closed = broker.broker.close();
    expect(await stream.expect("closing")).toMatchObject({ reason: 2 });
    expect(reasonIn(await stream.failure())).toBe("STOPPING");
    await closed;
  });

  test("a subscriber that never reports costs the others nothing", async () => {
    const other = await broker.join({ name: "other", instanceId: "o" });
    const stuck = await open(reader, { maxMessages: 4 });
    for (let index = 0; index < 50; index++) await send(`${index}`);
    const stream = await open(other);
    await sender.client.sendMessage({ to: ["other"], text: "hello" });
    expect((await stream.expect("delivery")).message?.text).toBe("hello");
    const { peers } = await sender.client.listPeers({});
    expect(peers.find(({ name }) => name === "reader")?.waitingMessages).toBe(50n);
    await Promise.all([stuck.cancel(), stream.cancel()]);
  });
});
