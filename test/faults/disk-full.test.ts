import { randomUUID } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type BrokerService, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Client } from "../../src/rpc/client.js";
import { sqliteLimits } from "../../src/store/sqlite/limits.js";
import { entryReason, reasonIn, TestStream } from "../support/test-broker.js";
import { BrokerProcess } from "./broker-process.js";
import { smallDisk } from "../store/sqlite/small-disk.js";

type BrokerClient = Client<typeof BrokerService>;

const noMount = "mounting a file system is not permitted here";
/** Room for messages beside what the store keeps free. */
const diskMebibytes = sqliteLimits.reserveBytes / 1024 ** 2 + 12;

test(
  "a full disk stops messages only, until there is room",
  { timeout: 600_000 },
  async (context) => {
    const home = smallDisk(diskMebibytes);
    if (home === undefined) return context.skip(noMount);
    const broker = await BrokerProcess.start(home);
    const [alice, bob] = [await broker.join("alice"), await broker.join("bob")];
    const accepted = await sendUntilFull(alice);
    expect(accepted.length).toBeGreaterThan(100);
    const { store } = await alice.getServerInfo({});
    expect(store).toMatchObject({ writable: false, problem: expect.stringContaining("full") });

    // Reports and reads go on, and so does the directory.
    expect(await confirm(bob, accepted.length)).toEqual(accepted);
    expect(await stateOf(alice, accepted[0]!)).toBe(ReceiptState.CONFIRMED);
    await broker.join("carol");
    expect(await sendOne(alice)).toBe("STORE_FULL");
    expect(broker.isRunning).toBe(true);
  },
);

test("a disk without a free byte ends nothing, and what was accepted is there when it has room", async (context) => {
  const home = smallDisk(diskMebibytes);
  if (home === undefined) return context.skip(noMount);
  const broker = await BrokerProcess.start(home);
  const [alice, bob] = [await broker.join("alice"), await broker.join("bob")];
  const accepted: string[] = [];
  for (let index = 0; index < 100; index += 1) accepted.push(await sendOne(alice));

  const ballast = takeAllRoom(home);
  expect(await sendOne(alice)).toBe("STORE_FULL");
  expect(await stateOf(alice, accepted[0]!)).toBe(ReceiptState.QUEUED);
  expect((await bob.listMessages({})).records.length).toBeGreaterThan(0);
  // Someone else has taken the room that the store keeps free: reports are taken while its log has any.
  const early = await confirm(bob, accepted.length);
  expect(early).toEqual(accepted.slice(0, early.length));
  expect(broker.isRunning).toBe(true);

  rmSync(ballast);
  const later = await sendOne(alice);
  expect(await confirm(bob, accepted.length + 1 - early.length)).toEqual([
    ...accepted.slice(early.length),
    later,
  ]);
  expect(await broker.end("SIGTERM")).toBe(0);
});

/** Sends until the store refuses for want of room; resolves to the ids of what was accepted. */
async function sendUntilFull(sender: BrokerClient): Promise<string[]> {
  const accepted: string[] = [];
  for (;;) {
    const result = await sendOne(sender);
    if (result === "STORE_FULL") return accepted;
    accepted.push(result);
  }
}

/** The id of a message to bob that was accepted, or the reason why it was not. */
async function sendOne(sender: BrokerClient): Promise<string> {
  const text = randomUUID().repeat(450);
  try {
    const { messageId, results } = await sender.sendMessage({ to: ["bob"], text });
    return results.map(entryReason)[0] ?? messageId;
  } catch (error) {
    return reasonIn(error);
  }
}

/** Reads and confirms so many messages, or until there is no room; resolves to the ids of those it did. */
async function confirm(reader: BrokerClient, count: number): Promise<string[]> {
  const stream = new TestStream(reader, { maxMessages: 16 });
  const ids: string[] = [];
  while (ids.length < count) {
    const result = await confirmNext(reader, stream);
    if (result === "STORE_FULL") break;
    ids.push(result);
  }
  await stream.cancel();
  return ids;
}

/** The id of the next message, which was confirmed, or the reason why it was not. */
async function confirmNext(reader: BrokerClient, stream: TestStream): Promise<string> {
  try {
    for (;;) {
      const event = await stream.next();
      if (event.case !== "delivery") continue;
      const { deliveryId, message } = event.value;
      const acks = [{ deliveryId, outcome: Outcome.CONFIRMED }];
      const [reason] = (await reader.ackMessages({ acks })).results.map(entryReason);
      if (reason === undefined) return message?.messageId ?? "";
      // A message that cannot be leased ends the stream, and with it all leases: its end says why.
      if (reason !== "DELIVERY_STALE") return reason;
    }
  } catch (error) {
    return reasonIn(error);
  }
}

async function stateOf(reader: BrokerClient, messageId: string): Promise<ReceiptState | undefined> {
  const { record } = await reader.getMessage({ messageId });
  return record?.receipts[0]?.state;
}

/** Fills a file until the disk takes nothing more; returns its path. */
function takeAllRoom(home: string): string {
  const path = join(home, "ballast");
  const ballast = openSync(path, "w");
  try {
    for (const bytes of [1024 ** 2, 1]) fill(ballast, Buffer.alloc(bytes));
  } finally {
    closeSync(ballast);
  }
  return path;
}

function fill(descriptor: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(descriptor, bytes);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}
