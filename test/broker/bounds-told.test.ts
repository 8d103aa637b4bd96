import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { RpcError } from "../../src/rpc/error.js";
import { openMemoryStore } from "../store/memory/memory-store.js";
import type { StoreLimits } from "../../src/store/limits.js";
import { StoppedClock } from "../support/stopped-clock.js";
import { startTestBroker, type TestPeer } from "../support/test-broker.js";

let texts = 0;
const send = (from: TestPeer, text = `text ${texts++}`, inReplyTo = "") =>
  from.client.sendMessage({ to: ["reader"], text, inReplyTo });

test.each<[string, string, Partial<StoreLimits>, (from: TestPeer) => Promise<unknown>]>([
  ["LIMIT_REACHED", "mail_bytes", { maxMailBytes: 2000 }, (from) => sendUntilRefused(from)],
  ["QUEUE_FULL", "queue_messages", { maxQueueMessages: 5 }, (from) => sendUntilRefused(from)],
  ["QUEUE_FULL", "queue_bytes", { maxQueueBytes: 1000 }, (from) => sendUntilRefused(from)],
  ["RATE_LIMITED", "sends_per_second", {}, (from) => sendUntilRefused(from)],
  [
    "RATE_LIMITED",
    "send_bytes_per_second",
    {},
    (from) => sendUntilRefused(from, () => `${texts++}`.padEnd(16_000)),
  ],
  ["RATE_LIMITED", "program_sends_per_second", {}, (from) => sendUntilRefused(from)],
  [
    "RATE_LIMITED",
    "program_send_bytes_per_second",
    {},
    (from) => sendUntilRefused(from, () => `${texts++}`.padEnd(16_000)),
  ],
  ["REPEATED_TEXT", "repeat_window_seconds", {}, (from) => sendUntilRefused(from, () => "again")],
  ["HOP_LIMIT", "hops_per_minute", {}, (from) => answerUntilRefused(from)],
])("%s names %s and its maximum as GetServerInfo does", async (reason, limit, limits, run) => {
  const clock = new StoppedClock();
  await using broker = await startTestBroker({ clock, store: openMemoryStore({ clock, limits }) });
  const kind = limit.startsWith("program_") ? PeerKind.PROGRAM : PeerKind.AGENT;
  const from = await broker.join({ name: "writer", kind });
  await broker.join({ name: "reader" });
  const stated = (await from.client.getServerInfo({})).limits.find(({ name }) => name === limit);
  const error = await run(from).catch((cause: unknown) => cause);
  const info = error instanceof RpcError ? error.findDetail(ErrorInfoSchema) : undefined;
  expect(info).toMatchObject({
    reason,
    metadata: { limit, maximum: String(stated?.maximum) },
  });
});

async function sendUntilRefused(from: TestPeer, text?: () => string): Promise<void> {
  for (let count = 0; count < 10_000; count++) await send(from, text?.());
}

async function answerUntilRefused(from: TestPeer): Promise<void> {
  let last = "";
  for (let count = 0; count < 100; count++) {
    last = (await send(from, undefined, last)).messageId;
  }
}
