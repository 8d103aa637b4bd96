import { setTimeout as delay } from "node:timers/promises";

/** Where time comes from. Injected, so that tests can move it. */
export interface Clock {
  /**
   * Milliseconds since the Unix epoch: for times that are stored, sent or shown. People and machines
   * set it forward and back, so no wait and no age within this process is measured by it.
   */
  now(): number;
  /** Milliseconds since a moment of this process, for waits and ages. It never goes back. */
  monotonic(): number;
  /**
   * Calls `act` once, when `ms` milliseconds have passed; at most 2^31 - 1. Disposal calls it off. A process
   * that has nothing else to do ends without it.
   */
  after(ms: number, act: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** Waits `ms` milliseconds; rejects with the signal's reason when it aborts first. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
