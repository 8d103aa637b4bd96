import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { waitingOneIn } from "../limits.js";
import { draftOf, fingerprintOf, refOf, storedPeer } from "../store-records.js";
import { openBenchStore, type StorePlace } from "../store-place.js";
import { nowMs } from "../timing.js";

// `node filler.js PLACE MESSAGES PEERS TEXT_BYTES`: fills a store, whose place is JSON, through its own contract,
// as a broker would in 20 days, and prints as JSON what it did. All but one in a hundred of the messages are confirmed.
const [place = "", ...numbers] = process.argv.slice(2);
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
const refs = Array.from({ length: peers }, (_, index) => refOf(`stored-${index}`, index));

const beginMs = nowMs();
const store = await openBenchStore(JSON.parse(place) as StorePlace, clock);
for (const ref of refs) await store.peers.create(storedPeer(ref, clock.now()));
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
  const text = `${index} `.padEnd(textBytes, "lorem ipsum ");
  const draft = draftOf({
    from,
    to: recipient,
    text,
    fingerprint: fingerprintOf(text),
    expiresInMs: spanMs * 2,
  });
  const [result] = await to.queues.enqueue(draft, draft.to);
  if (result?.ok !== true) throw new Error("a message was refused", { cause: result?.error });
  if (index % waitingOneIn === 0) return;
  await to.queues.advance(recipient.peerId, result.receipt.seq, {
    state: ReceiptState.CONFIRMED,
    confirmedBy: ConfirmedBy.EXPLICIT_ACK,
  });
}
