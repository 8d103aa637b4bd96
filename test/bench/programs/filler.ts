import { create } from "@bufbuild/protobuf";
import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import {
  ConfirmedBy,
  PeerRefSchema,
  ReceiptState,
  Urgency,
} from "../../../gen/peerline/v1/message_pb.js";
import { PeerKind, ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { openSqliteStore } from "../../../src/store/sqlite/sqlite-store.js";
import { secretOf } from "../bench-peer.js";
import { waitingOneIn } from "../limits.js";
import { nowMs } from "../timing.js";

// `node filler.js DATABASE MESSAGES PEERS TEXT_BYTES`: fills a store through its own contract, as a broker
// would in 20 days, and prints as JSON what it did. All but one in a hundred of the messages are confirmed.
const [path = "", ...numbers] = process.argv.slice(2);
const [messages = 0, peers = 0, textBytes = 0] = numbers.map(Number);
const spanMs = 20 * 24 * 60 * 60_000;
/** Calls that wait for the store at once: it takes 65,536. */
const window = 4096;

let filled = 0;
const beginTimeMs = systemClock.now() - spanMs;
const clock = {
  ...systemClock,
  now: () => Math.round(beginTimeMs + (spanMs * filled) / (messages + 1)),
};
const wide = { maxQueueMessages: 1e9, maxQueueBytes: 1e12, maxMailBytes: 1e12 };
const workerUrl = new URL("sqlite-worker.js", import.meta.url);
const refs = Array.from({ length: peers }, (_, index) => {
  const number = String(index).padStart(12, "0");
  return create(PeerRefSchema, {
    peerId: `00000000-0000-4000-8000-${number}`,
    name: `stored-${index}`,
  });
});

const beginMs = nowMs();
const store = await openSqliteStore({ path, clock, workerUrl, limits: wide });
for (const { peerId, name } of refs) await addPeer(store, peerId, name);
while (filled < messages) {
  const count = Math.min(window, messages - filled);
  const sent = Array.from({ length: count }, (_, index) => send(store, filled + index));
  filled += count;
  await Promise.all(sent);
}
await store[Symbol.asyncDispose]();
console.log(JSON.stringify({ messages, seconds: (nowMs() - beginMs) / 1000 }));

/** Each sender writes to each other peer in turn. */
async function send(to: Store, index: number): Promise<void> {
  const from = refs[index % peers] as (typeof refs)[number];
  const step = 1 + (Math.floor(index / peers) % (peers - 1));
  const recipient = refs[(index + step) % peers] as (typeof refs)[number];
  const messageId = uuidv7();
  const text = `${index} `.padEnd(textBytes, "lorem ipsum ");
  const [result] = await to.queues.enqueue(
    {
      messageId,
      from,
      to: [recipient],
      text,
      data: undefined,
      threadId: messageId,
      inReplyTo: "",
      urgency: Urgency.NORMAL,
      expiresInMs: spanMs * 2,
      fingerprint: createHash("sha256").update(text).digest("hex"),
    },
    [recipient],
  );
  if (result?.ok !== true) throw new Error("a message was refused", { cause: result?.error });
  if (index % waitingOneIn === 0) return;
  await to.queues.advance(recipient.peerId, result.receipt.seq, {
    state: ReceiptState.CONFIRMED,
    confirmedBy: ConfirmedBy.EXPLICIT_ACK,
  });
}

async function addPeer(to: Store, peerId: string, name: string): Promise<void> {
  const nowMs = clock.now();
  await to.peers.create({
    peerId,
    name,
    kind: PeerKind.PROGRAM,
    profile: create(ProfileSchema, {}),
    createTimeMs: nowMs,
    lastSeenMs: nowMs,
    secretHash: createHash("sha256").update(secretOf(name)).digest("hex"),
    baseName: name,
    number: 1,
    epoch: 0,
    instanceId: "",
    formerNames: [],
    mutedUntilMs: 0,
    conversations: [],
    revision: 1,
  });
}
