import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { StoreError } from "../../broker/store.js";
import { type Outcome, toError } from "./outcome.js";
import type { WorkerInput } from "./worker.js";

/** Starts the worker and waits until it has opened the database; says what was damaged by then. */
export async function startWorker(
  url: URL,
  input: WorkerInput,
): Promise<{ worker: Worker; damages: readonly string[] }> {
  const worker = new Worker(url, { name: "peerline-store", workerData: input });
  const opened = await firstSign(worker);
  if (typeof opened === "number") {
    throw new StoreError("UNAVAILABLE", "The store's thread ended before it opened the database.");
  }
  if (opened.ok) return { worker, damages: opened.value as string[] };
  // The file is free when the thread has ended, and it may have by now.
  await worker.terminate();
  throw toError(opened);
}

/** The outcome of opening, or the exit code of a worker that had none. */
async function firstSign(worker: Worker): Promise<Outcome | number> {
  try {
    const signs = [once(worker, "message"), once(worker, "exit")];
    const [sign] = (await Promise.race(signs)) as [Outcome | number];
    return sign;
  } catch (cause) {
    throw new StoreError("UNAVAILABLE", "The store's thread does not start.", { cause });
  }
}
