import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { StoreError } from "../../broker/store.js";
import { type Outcome, toError } from "./outcome.js";
import type { WorkerInput } from "./worker.js";

/** Starts the worker and waits until it has opened the database; its next message answers a batch. */
export async function startWorker(url: URL, input: WorkerInput): Promise<Worker> {
  const worker = new Worker(url, { name: "peerline-store", workerData: input });
  const exited = once(worker, "exit");
  const opened = await Promise.race([firstMessage(worker), exited]).catch((cause: unknown) => {
    throw new StoreError("UNAVAILABLE", "The store's thread does not start.", { cause });
  });
  if (isOutcome(opened) && opened.ok) return worker;
  await exited;
  if (isOutcome(opened)) throw toError(opened);
  throw new StoreError("UNAVAILABLE", "The store's thread ended before it opened the database.");
}

async function firstMessage(worker: Worker): Promise<Outcome> {
  const [outcome] = (await once(worker, "message")) as [Outcome];
  return outcome;
}

function isOutcome(opened: Outcome | unknown[]): opened is Outcome {
  return !Array.isArray(opened);
}
