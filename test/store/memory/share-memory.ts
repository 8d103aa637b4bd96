import { onTestFinished } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import type { SharedTechnology } from "../../contract/gateways/two-gateways.js";
import { openMemoryStore } from "./memory-store.js";

/** One store of this process, which each broker of a test sees through a view of its own. */
export function shareMemory(viewOf: (store: Store) => Store): SharedTechnology["share"] {
  return async () => {
    const store = openMemoryStore({ clock: systemClock });
    onTestFinished(() => store[Symbol.asyncDispose]());
    return async () => viewOf(store);
  };
}
