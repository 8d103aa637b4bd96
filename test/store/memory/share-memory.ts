import { onTestFinished } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import { PresenceClaims } from "../../../src/store/nats/peers/presence-claims.js";
import type { SharedTechnology } from "../../contract/gateways/two-gateways.js";
import { openMemoryStore } from "./memory-store.js";

/** One store of this process, which each broker of a test sees through a view of its own. */
export function shareMemory(viewOf: (store: Store) => Store): SharedTechnology["share"] {
  return async () => {
    const store = openMemoryStore({ clock: systemClock });
    onTestFinished(() => store[Symbol.asyncDispose]());
    const claims = new PresenceClaims((peerId, presence) => {
      void store.peers.announce(peerId, presence);
    });
    return async (brokerId) => {
      const announce: Store["peers"]["announce"] = async (peerId, presence) =>
        claims.set(brokerId, peerId, presence);
      return viewOf({ ...store, peers: { ...store.peers, announce } });
    };
  };
}
