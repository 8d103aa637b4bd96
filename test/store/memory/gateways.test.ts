import { onTestFinished } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { defineGatewayContract } from "../../contract/gateway-contract.js";
import { laggingStore } from "../../support/lagging-store.js";
import { openMemoryStore } from "./memory-store.js";

function shareMemory(viewOf: (store: Store) => Store) {
  return async () => {
    const store = openMemoryStore({ clock: systemClock });
    onTestFinished(() => store[Symbol.asyncDispose]());
    return async () => viewOf(store);
  };
}

defineGatewayContract({ name: "memory", share: shareMemory((store) => store) });
defineGatewayContract({
  name: "memory, told late",
  share: shareMemory((store) => laggingStore(store, 40)),
});
