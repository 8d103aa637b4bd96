import { onTestFinished } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import {
  openSqliteStore,
  type SqliteStoreOptions,
} from "../../../src/store/sqlite/sqlite-store.js";
import { workerUrl } from "./built-worker.js";

/** Opens a store that is closed when the test ends. */
export async function openStore(
  path: string,
  options: Partial<SqliteStoreOptions> = {},
): Promise<Store> {
  const store = await openSqliteStore({ path, clock: systemClock, workerUrl, ...options });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}
