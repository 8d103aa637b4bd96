import { describe } from "vitest";
import { defineBoundContract } from "./store/bounds.js";
import { defineDeadLetterContract } from "./store/dead-letters.js";
import { defineEndContract } from "./store/end.js";
import { defineEnqueueContract } from "./store/enqueue.js";
import { defineExpiryContract } from "./store/expiry.js";
import { defineHistoryContract } from "./store/history.js";
import { defineHistoryWatchContract } from "./store/history-watch.js";
import { defineLookupContract } from "./store/lookup.js";
import { defineMachineContract } from "./store/machines.js";
import { definePeerContract } from "./store/peers.js";
import { definePeerWatchContract } from "./store/peer-watch.js";
import { definePurgeContract } from "./store/purge.js";
import { defineQueueContract } from "./store/queue.js";
import { defineReceiptContract } from "./store/receipts.js";
import { defineRetentionContract } from "./store/retention.js";
import type { StoreTechnology } from "./store/technology.js";

/** What every store must do, sentence by sentence of src/broker/store: one suite for each part of it. */
export function defineStoreContract(technology: StoreTechnology): void {
  definePeerStoreContract(technology);
  defineQueueStoreContract(technology);
  defineHistoryStoreContract(technology);
  describe(`the end of a store: ${technology.name}`, () => defineEndContract(technology));
}

export function definePeerStoreContract(technology: StoreTechnology): void {
  describe(`the contract of peers: ${technology.name}`, () => {
    definePeerContract(technology);
    definePeerWatchContract(technology);
    defineMachineContract(technology);
  });
}

export function defineQueueStoreContract(technology: StoreTechnology): void {
  describe(`the contract of queues: ${technology.name}`, () => {
    defineEnqueueContract(technology);
    defineBoundContract(technology);
    defineQueueContract(technology);
    defineReceiptContract(technology);
    defineDeadLetterContract(technology);
  });
}

export function defineHistoryStoreContract(technology: StoreTechnology): void {
  describe(`the contract of history: ${technology.name}`, () => {
    defineHistoryContract(technology);
    defineHistoryWatchContract(technology);
    defineLookupContract(technology);
    defineExpiryContract(technology);
    defineRetentionContract(technology);
    definePurgeContract(technology);
  });
}
