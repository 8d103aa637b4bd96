import { defineGatewayContract } from "../../contract/gateway-contract.js";
import { laggingStore } from "../../support/lagging-store.js";
import { shareMemory } from "./share-memory.js";

/** So that changes meet each other, as they do over a network. */
defineGatewayContract({
  name: "memory, told late",
  share: shareMemory((store) => laggingStore(store, 40)),
});
