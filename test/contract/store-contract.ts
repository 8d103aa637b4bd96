import { describe } from "vitest";
import { defineBoundContract } from "./store/bounds.js";
import { definePeerContract } from "./store/peers.js";
import { defineDeadLetterContract } from "./store/dead-letters.js";
import { defineEndContract } from "./store/end.js";
import { defineEnqueueContract } from "./store/enqueue.js";
import { defineExpiryContract } from "./store/expiry.js";
import { defineHistoryContract } from "./store/history.js";
import { defineLookupContract } from "./store/lookup.js";
import { defineMachineContract } from "./store/machines.js";
import { definePurgeContract } from "./store/purge.js";
import { defineQueueContract } from "./store/queue.js";
import { defineReceiptContract } from "./store/receipts.js";
import { defineRetentionContract } from "./store/retention.js";
import type { StoreTechnology } from "./store/technology.js";

/** What every store must do, sentence by sentence of src/broker/store.ts. */
export function defineStoreContract(technology: StoreTechnology): void {
  describe(`the store contract: ${technology.name}`, () => {
    definePeerContract(technology);
    defineEnqueueContract(technology);
    defineQueueContract(technology);
    defineReceiptContract(technology);
    defineDeadLetterContract(technology);
    defineExpiryContract(technology);
    defineHistoryContract(technology);
    defineLookupContract(technology);
    defineRetentionContract(technology);
    defineBoundContract(technology);
    definePurgeContract(technology);
    defineMachineContract(technology);
    defineEndContract(technology);
  });
}
