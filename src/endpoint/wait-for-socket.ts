import { watch } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { AbortScope } from "../abort-scope.js";
import { sleep } from "../clock.js";

/**
 * Resolves when a socket's file is made or removed, at the latest after `ms`. Where the system has no
 * watch to give (they are few, and shared with editors), only the time counts.
 */
export async function waitForSocket(path: string, ms: number, signal: AbortSignal): Promise<void> {
  using wait = new AbortScope([signal]);
  await Promise.race([fileChange(path, wait.signal), sleep(ms, wait.signal)]);
}

async function fileChange(path: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of watch(dirname(path), { signal })) {
      if (event.filename === basename(path)) return;
    }
  } catch {
    // No watch, or no longer one: the other side of the race ends the wait.
    await new Promise<never>(() => {});
  }
}
