import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Bell, silent } from "../../contract/store/bell.js";
import { PeerRefSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { alice, ample, bob, draft, send, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { peersOfTrial } from "../../faults/flipped-peers.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { eventually } from "../../support/test-broker.js";
import { peersOf } from "../../contract/store/records.js";

// One bit of the text flipped: the row still decodes, to another text.
const flipped = `body = CAST(replace(CAST(body AS TEXT), 'secret', 'sebret') AS BLOB)`;

test.each([
  ["body", flipped],
  ["sender", "from_peer_id = 'mallory'"],
  ["thread", "thread_id = 'other'"],
  ["time", "accept_time_ms = accept_time_ms + 1"],
])("a message with a damaged %s is never handed out", async (_what, damage) => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  const { seq, messageId } = await sendFirst(first, { text: "the secret text" });
  await send(first, { text: "whole" });
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE message SET ${damage} WHERE id = 1`);

  const store = await openStore(path);
  expect(await listTexts(store)).toEqual(["whole"]);
  await expect(store.history.getReceipt(bob.peerId, seq)).rejects.toMatchObject({
    code: "DATA_LOSS",
  });
  const bell = new Bell();
  const reader = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell);
  expect(texts(await reader.next({ ...ample, maxMessages: 1 }))).toEqual(["whole"]);
  await eventually(() => expect(bell.deadLettered).toHaveLength(1));
  expect(bell.deadLettered[0]).toMatchObject({ from: alice, messageId, moved: true });
  expect(bell.deadLettered[0]?.receipt).toMatchObject({ seq, state: ReceiptState.DEAD_LETTERED });
  expect(await store.health()).toMatchObject({ writable: true, damagedMessages: 1 });
  expect(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).backlog()).toMatchObject(
    { unread: 1 },
  );
  const { receipt } = await store.queues.advance(bob.peerId, seq, {
    state: ReceiptState.CONFIRMED,
  });
  expect(receipt).toMatchObject({
    state: ReceiptState.DEAD_LETTERED,
    reason: "its stored bytes are damaged",
  });
});

test("a damaged message that is asked for by its id is said to be lost", async () => {
  const path = temporaryDatabase();
  const sent = draft({ text: "the secret text" });
  const first = await openStore(path);
  await send(first, sent);
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE message SET ${flipped}`);

  const store = await openStore(path);
  const finding = store.history.find({ ...sent, senders: [], viewer: "", limit: 1 });
  await expect(finding).rejects.toMatchObject({ code: "DATA_LOSS" });
  const [repeat] = await store.queues.enqueue(sent, sent.to);
  expect(repeat).toMatchObject({ ok: false, error: { code: "DATA_LOSS" } });
});

test("a delivery whose message is gone is dead-lettered and blocks nothing", async () => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  await send(first, { text: "gone" });
  await send(first, { text: "whole" });
  await first[Symbol.asyncDispose]();
  execute(path, "DELETE FROM message WHERE id = 1");

  const store = await openStore(path);
  const bell = new Bell();
  expect(
    texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell).next(ample)),
  ).toEqual(["whole"]);
  expect(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).backlog()).toMatchObject(
    { unread: 1 },
  );
  // Whose it was is known from the delivery; what only the message held is gone.
  const from = create(PeerRefSchema, { peerId: alice.peerId });
  await eventually(() => expect(bell.deadLettered).toMatchObject([{ from, messageId: "" }]));
});

test("damage is told also when the reader that met it was replaced", async () => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  const { messageId } = await sendFirst(first, { text: "the secret text" });
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE message SET ${flipped}`);

  const store = await openStore(path);
  const bell = new Bell();
  const underWay = store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell).next(ample);
  store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent);
  expect(await underWay).toEqual([]);
  await eventually(() => expect(bell.deadLettered).toMatchObject([{ messageId }]));
  expect(bell.rings).toBe(0);
});

test("a text that is no UTF-8 ends nothing but its row", async () => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  await send(first, { text: "damaged" });
  const whole = await sendFirst(first, { text: "whole" });
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE message SET from_name = CAST(x'ff' AS TEXT) WHERE id = 1`);

  const store = await openStore(path);
  expect(await listTexts(store)).toEqual(["whole"]);
  const bell = new Bell();
  expect(
    texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell).next(ample)),
  ).toEqual(["whole"]);
  await eventually(() => expect(bell.deadLettered).toHaveLength(1));
  expect(await store.history.getReceipt(bob.peerId, whole.seq)).toBeDefined();
});

test.each([
  ["name", `peer_name = CAST(x'80' AS TEXT)`],
  ["time", "leased_ms = leased_ms + 64"],
  ["count of attempts", "attempts = attempts + 4"],
  ["reason", "reason = 'x'"],
  ["evidence", "confirmed_by = 3"],
])("of a receipt with a damaged %s only its message is believed", async (_what, damage) => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  const { seq, messageId } = await sendFirst(first, { text: "whole" });
  await first.queues.advance(bob.peerId, seq, { state: ReceiptState.LEASED, failedAttempt: true });
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE delivery SET ${damage}`);

  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  await expect(store.history.getReceipt(bob.peerId, seq)).rejects.toMatchObject({
    code: "DATA_LOSS",
  });
  const [offered] = await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(offered).toMatchObject({ redelivered: true, message: { messageId, text: "whole" } });
  expect(offered?.receipt).toMatchObject({ state: ReceiptState.LEASED, attempts: 0, reason: "" });
  expect(offered?.receipt.recipient).toMatchObject({ peerId: bob.peerId, name: "bob" });
  expect(await store.health()).toMatchObject({ damagedMessages: 1 });
  expect(told).toEqual([expect.stringContaining("receipt 1")]);
  const { receipt } = await store.queues.advance(bob.peerId, seq, {
    state: ReceiptState.CONFIRMED,
  });
  expect(receipt).toMatchObject({ state: ReceiptState.CONFIRMED });
  expect(await store.history.getReceipt(bob.peerId, seq)).toMatchObject({ messageId });
});

test("a message and a receipt that are both damaged are a dead letter for good", async () => {
  const path = temporaryDatabase();
  const first = await openStore(path);
  const { seq } = await sendFirst(first, { text: "the secret text" });
  await first[Symbol.asyncDispose]();
  execute(path, `UPDATE message SET ${flipped}; UPDATE delivery SET attempts = 9`);

  const store = await openStore(path);
  const bell = new Bell();
  expect(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, bell).next(ample)).toEqual([]);
  await eventually(() => expect(bell.deadLettered).toMatchObject([{ from: alice, moved: true }]));
  await expect(store.queues.redrive(bob.peerId, seq)).rejects.toMatchObject({ code: "DATA_LOSS" });
  const { moved } = await store.queues.advance(bob.peerId, seq, { state: ReceiptState.CONFIRMED });
  expect(moved).toBe(false);
  await store.queues.drop(bob.peerId, seq);
});

test.each([
  ["profile", `profile = x'ff'`, { name: "worker-1" }],
  ["revision", "revision = 9", { name: "worker-1" }],
  ["name", `name = CAST(x'ff' AS TEXT)`, { name: "recovered-00000001" }],
  ["conversation", `conversations = '{'`, { name: "recovered-00000001" }],
])("of a peer with a damaged %s what holds is kept", async (_what, damage, kept) => {
  const path = await databaseWithPeers();
  execute(path, `UPDATE peer SET ${damage} WHERE name = 'worker-1'`);
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  const { peerId, secretHash } = peersOfTrial[1] ?? fail();
  const peers = await peersOf(store);
  expect(peers.filter((peer) => peer.peerId !== peerId)).toEqual(
    peersOfTrial.filter((peer) => peer.peerId !== peerId),
  );
  const damaged = peers.find((peer) => peer.peerId === peerId);
  expect(damaged).toMatchObject({ secretHash, ...kept, profile: { summary: "" } });
  expect(told).toEqual([expect.stringContaining(`${peerId} is damaged`)]);
  expect(await peersOf(store)).toHaveLength(12);
  expect(told).toHaveLength(1);
});

test.each([
  ["id", "peer_id = 'nobody'"],
  ["secret", `secret_hash = CAST(x'ff' AS TEXT)`],
])("a peer with a damaged %s is nobody, and its name is free", async (_what, damage) => {
  const path = await databaseWithPeers();
  execute(path, `UPDATE peer SET ${damage} WHERE name = 'worker-1'`);
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  expect(await peersOf(store)).toHaveLength(11);
  expect(told).toHaveLength(1);
  await store.peers.create({ ...(peersOfTrial[1] ?? fail()), peerId: "new" });
});

async function databaseWithPeers(): Promise<string> {
  const path = temporaryDatabase();
  const store = await openStore(path);
  for (const peer of peersOfTrial) await store.peers.create(peer);
  await store[Symbol.asyncDispose]();
  return path;
}

function fail(): never {
  throw new Error("the trial has no such peer");
}
