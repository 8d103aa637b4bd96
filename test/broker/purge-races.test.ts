import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { ReceiptChange } from "../../src/broker/store/queues.js";
import type { Store } from "../../src/broker/store/store.js";
import { openStore } from "../store/sqlite/open-store.js";
import { temporaryDatabase } from "../store/sqlite/temporary-database.js";
import { StoppedClock } from "../support/stopped-clock.js";
import {
  entryReason,
  eventually,
  operatorToken,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../support/test-broker.js";

/*
 * The broker looks at a message and then moves its receipt. A purge may come between the two. The store is
 * SQLite on a disk; the purge is a call like any other, made at the moment that the test is about.
 */

interface Scene {
  readonly broker: TestBroker;
  readonly clock: StoppedClock;
  readonly sender: TestPeer;
  /** How many purges were made. */
  purges: number;
}

/** A broker where all that "sender" sent is purged just before a receipt moves in such a way. */
async function startScene(isMoment: (change: ReceiptChange) => boolean): Promise<Scene> {
  const clock = new StoppedClock();
  const store = await openStore(temporaryDatabase(), { clock });
  const advance: Store["queues"]["advance"] = async (...args) => {
    if (isMoment(args[2])) {
      await broker.client(operatorToken).purgeMessages({ from: "sender", all: true });
      scene.purges++;
    }
    return store.queues.advance(...args);
  };
  const purgingFirst = { ...store, queues: { ...store.queues, advance } };
  const broker = await startTestBroker({ clock, store: purgingFirst, keepStore: true });
  const scene = { broker, clock, sender: await broker.join({ name: "sender" }), purges: 0 };
  return scene;
}

function sendTo({ sender }: Scene, name: string, text: string, expiresInMs?: number) {
  const expiresIn = expiresInMs === undefined ? {} : { expiresIn: durationFromMs(expiresInMs) };
  return sender.client.sendMessage({ to: [name], text, ...expiresIn });
}

test("a stream goes on, with all its credit, when messages are purged while it is offered them", async () => {
  let counted = 0;
  const scene = await startScene((change) => change.failedAttempt === true && ++counted === 2);
  await using broker = scene.broker;
  const former = await broker.join({ name: "reader", instanceId: "former" });
  for (const text of ["presented 1", "presented 2", "unread"]) await sendTo(scene, "reader", text);
  const before = former.subscribe({ maxMessages: 2 });
  await before.expect("started");
  const presented = [await before.expect("delivery"), await before.expect("delivery")];
  await former.client.ackMessages({
    acks: presented.map(({ deliveryId }) => ({ deliveryId, outcome: Outcome.PRESENTED })),
  });
  former.cut();

  const identity = { secret: former.secret, instanceId: "successor" };
  const reader = await eventually(() => broker.join(identity));
  const stream = reader.subscribe({ maxMessages: 3 });
  await stream.expect("started");
  const gone = [await stream.expect("delivery"), await stream.expect("delivery")];
  // The third had been read from the queue with the other two.
  expect(gone.map(({ message }) => message?.text)).toEqual(["presented 1", "unread"]);
  expect(scene.purges).toBe(1);
  const { results } = await reader.client.ackMessages({
    acks: gone.map(({ deliveryId }) => ({ deliveryId, outcome: Outcome.CONFIRMED })),
  });
  expect(results.map(entryReason)).toEqual(gone.map(() => "DELIVERY_NOT_FOUND"));
  for (const text of ["new 1", "new 2", "new 3"]) await sendTo(scene, "reader", text);
  for (const text of ["new 1", "new 2", "new 3"]) {
    expect((await stream.expect("delivery")).message?.text).toBe(text);
  }
  await stream.cancel();
});

test("what is purged while it expires ends no stream, and does not stop the expiry of the rest", async () => {
  const scene = await startScene(
    ({ state }) => state === ReceiptState.EXPIRED && scene.purges === 0,
  );
  await using broker = scene.broker;
  const reader = await broker.join({ name: "reader" });
  const other = await broker.join({ name: "other" });
  await sendTo(scene, "reader", "gone", 2000);
  const kept = await other.client.sendMessage({
    to: ["reader"],
    text: "expires",
    expiresIn: durationFromMs(2000),
  });
  scene.clock.advance(3000);
  await eventually(async () => {
    const { record } = await other.client.getMessage({ messageId: kept.messageId });
    expect(record?.receipts[0]?.state).toBe(ReceiptState.EXPIRED);
  });
  expect(scene.purges).toBe(1);
  expect(broker.warnings).toEqual([]);
  const stream = reader.subscribe();
  await stream.expect("started");
  await sendTo(scene, "reader", "hello");
  expect((await stream.expect("delivery")).message?.text).toBe("hello");
  await stream.cancel();
});

test("a peer is deleted though what waits for it is purged meanwhile", async () => {
  const scene = await startScene(
    ({ state }) => state === ReceiptState.DEAD_LETTERED && scene.purges === 0,
  );
  await using broker = scene.broker;
  const reader = await broker.join({ name: "reader" });
  await sendTo(scene, "reader", "gone");
  await reader.client.deletePeer({ peer: "reader", evenIfLive: true });
  expect(scene.purges).toBe(1);
  const { peers } = await scene.sender.client.listPeers({});
  expect(peers.map(({ name }) => name)).not.toContain("reader");
});
