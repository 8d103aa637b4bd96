import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { type Store, StoreError } from "../../src/broker/store/store.js";
import { systemClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";
import { ample, bob } from "../contract/store/drafts.js";
import type { Examination, FlippedTrial } from "./flip-trials.js";
import { flipBits } from "./flip-bits.js";
import { peersOfTrial } from "./flipped-peers.js";
import { textOf } from "./text-of.js";
import { peersOf } from "../contract/store/records.js";

// A program of the tests. For each seed it flips bits in a copy of a database and opens it as a broker does.
// It reads everything in every way, and prints one Examination as a line of JSON. It crashes when the
// engine crashes. Arguments: a FlippedTrial as JSON.
const trial = JSON.parse(process.argv[2] ?? "{}") as FlippedTrial;
for (let seed = trial.firstSeed; seed < trial.firstSeed + trial.seeds; seed += 1) {
  process.stdout.write(`{"seed":${seed},`);
  const examination = await examine(seed);
  process.stdout.write(`${JSON.stringify(examination).slice(1)}\n`);
}

async function examine(seed: number): Promise<Omit<Examination, "seed">> {
  const folder = join(trial.folder, String(seed));
  mkdirSync(folder);
  const path = join(folder, "peerline.db");
  for (const suffix of ["", "-wal"]) {
    if (existsSync(trial.path + suffix)) copyFileSync(trial.path + suffix, path + suffix);
  }
  const file = path + trial.flippedSuffix;
  const bytes = readFileSync(file);
  const flips = flipBits(bytes, trial.flips, seed);
  writeFileSync(file, bytes);
  try {
    return { flips, ...(await read(path)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function read(path: string): Promise<Omit<Examination, "seed" | "flips">> {
  const told: string[] = [];
  let store: Store;
  try {
    store = await openSqliteStore({
      path,
      clock: systemClock,
      workerUrl: new URL(trial.workerUrl),
      onDamage: (words) => told.push(words),
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { refused: `${error.code} ${error.message}`, told, found: {}, offered: {}, peers: [] };
  }
  const found = await find(store);
  const offered = await takeAll(store);
  const peers = (await peersOf(store)).filter((peer) =>
    peersOfTrial.some((one) => isDeepStrictEqual(one, peer)),
  );
  const { damagedMessages } = await store.health();
  await store[Symbol.asyncDispose]();
  if (damagedMessages > 0) told.push(`${damagedMessages} damaged`);
  return { refused: "", told, found, offered, peers: peers.map(({ name }) => name) };
}

type Served = Examination["found"];

async function find(store: Store): Promise<Served> {
  const found: Served = {};
  for (const messageId of trial.messageIds) {
    try {
      const query = { messageId, senders: [], viewer: "", limit: 1 };
      const [record] = await store.history.find(query);
      if (record?.message === undefined) continue;
      found[messageId] = record.message.text === textOf(messageId) ? "intact" : "WRONG";
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      found[messageId] = error.code === "DATA_LOSS" ? "lost" : error.message;
    }
  }
  return found;
}

async function takeAll(store: Store): Promise<Served> {
  const offered: Served = {};
  const reader = store.queues.open(
    { peerId: bob.peerId, epoch: 1 },
    {
      wake: () => {},
      damaged: ({ messageId, receipt }) => {
        const isSetAside = receipt.state === ReceiptState.DEAD_LETTERED;
        offered[messageId] = isSetAside ? "lost" : "NOT SET ASIDE";
      },
    },
  );
  for (const { message, redelivered } of await reader.next(ample)) {
    const isRight = message.text === textOf(message.messageId);
    offered[message.messageId] = isRight ? (redelivered ? "again" : "intact") : "WRONG";
  }
  await new Promise((resolve) => setImmediate(resolve));
  return offered;
}
