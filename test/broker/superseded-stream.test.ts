import { expect, test } from "vitest";
import { Closing_Reason } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { eventually, reasonIn, startTestBroker } from "../support/test-broker.js";

const KiB = 1024;
const count = 60;

test("a stream that is taken over hands out nothing more of what it had not sent: that is the newer one's", async () => {
  await using broker = await startTestBroker();
  const identity = { name: "reader", conversationId: "claude-code:1" };
  const older = await broker.join({ ...identity, instanceId: "older" });
  const sender = await broker.join({ name: "sender" });
  const credit = { maxMessages: 2 * count, maxBytes: BigInt(4 * KiB * KiB) };
  // More than a connection holds that nobody reads.
  const lagging = older.subscribe(credit);
  await lagging.expect("started");
  const sent: string[] = [];
  for (let index = 0; index < count; index++) {
    const text = `${index} ${"x".repeat(10 * KiB)}`;
    sent.push((await sender.client.sendMessage({ to: ["reader"], text })).messageId);
  }
  const countLeased = async (): Promise<number> => {
    const found = sent.map((messageId) => sender.client.getMessage({ messageId }));
    const states = (await Promise.all(found)).map(({ record }) => record?.receipts[0]?.state);
    return states.filter((state) => state === ReceiptState.LEASED).length;
  };
  let leased = 0;
  await eventually(async () => {
    const before = leased;
    leased = await countLeased();
    expect(leased).toBeGreaterThan(0);
    expect(leased, "until no more are handed over").toBe(before);
  });
  const newer = await broker.join({ ...identity, secret: older.secret, instanceId: "newer" });

  const old: number[] = [];
  let event = await lagging.next();
  for (; event.case === "delivery"; event = await lagging.next()) {
    old.push(Number(event.value.message?.text.split(" ")[0]));
  }
  expect(event).toMatchObject({ case: "closing", value: { reason: Closing_Reason.SUPERSEDED } });
  expect(reasonIn(await lagging.failure())).toBe("SUPERSEDED");
  expect(old.length).toBeLessThan(leased);

  const stream = newer.subscribe(credit);
  await stream.expect("started");
  for (let index = 0; index < count; index++) {
    const { message } = await stream.expect("delivery");
    expect(message?.text.split(" ")[0]).toBe(String(index));
  }
  await stream.cancel();
});
