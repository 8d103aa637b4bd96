import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test, type TestFunction } from "vitest";
import type { Store } from "../../../src/broker/store/store.js";
import type { Clock } from "../../../src/clock.js";
import type { StoreLimits } from "../../../src/store/limits.js";
import { StoppedClock } from "../../support/stopped-clock.js";

/** A way to keep what a store keeps. */
export interface StoreTechnology {
  readonly name: string;
  /** What was stored is there when the same folder is opened again. */
  readonly isDurable: boolean;
  /** Each recipient has a copy of the message, and each copy counts. */
  readonly keepsCopies: boolean;
  open(options: { folder: string; clock: Clock; limits: Partial<StoreLimits> }): Promise<Store>;
}

/** An open store of one test, and what it takes to open it again. */
export interface OpenedStore {
  readonly store: Store;
  readonly clock: StoppedClock;
  /** Closes the store and opens what it left. */
  reopen: () => Promise<Store>;
}

/** Opens a store on a folder of its own; both are gone when the test ends. */
export async function openStore(
  technology: StoreTechnology,
  limits: Partial<StoreLimits> = {},
): Promise<OpenedStore> {
  const folder = mkdtempSync(join(tmpdir(), "pl-"));
  const clock = new StoppedClock(Date.UTC(2026, 0, 1));
  let store = await technology.open({ folder, clock, limits });
  onTestFinished(async () => {
    await store[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const reopen = async (): Promise<Store> => {
    await store[Symbol.asyncDispose]();
    store = await technology.open({ folder, clock, limits });
    return store;
  };
  return { store, clock, reopen };
}

/** A test of what outlives the store: skipped where nothing does. */
export function testReopened(technology: StoreTechnology, name: string, run: TestFunction): void {
  test(name, technology.isDurable ? run : skip);
}

const skip: TestFunction = (context) => context.skip("it forgets everything when it is closed");
