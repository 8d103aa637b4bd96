import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { StoreError } from "../../broker/store.js";
import { Batches } from "./batch.js";
import { openDatabase } from "./database.js";
import { toStoreError } from "./failure.js";
import { explainRefusedWrite, FreeSpace } from "./free-space.js";
import type { SqliteLimits } from "./limits.js";
import { type Call, operationsOn } from "./operations.js";
import { type Outcome, toOutcome } from "./outcome.js";
import { markDamaged } from "./damage/salvage.js";
import { migrations } from "./schema.js";

/** What the worker is started with. */
export interface WorkerInput {
  readonly path: string;
  readonly limits: SqliteLimits;
}

/** A batch of calls, answered by their outcomes; or the last message, after which the worker ends. */
export type ToWorker = readonly Call[] | "close";

/** Outcomes of a batch, or words on damage that was found meanwhile. */
export type FromWorker = readonly Outcome[] | { readonly damage: string };

/**
 * The thread that holds the database: the only writer, so that a slow disk holds up nobody else. Its
 * first message is the outcome of opening, with words on what was damaged by then; the later ones are
 * the outcomes of a batch each, and what is found damaged from then on.
 */
function serve(port: MessagePort, { path, limits }: WorkerInput): string[] {
  const found: string[] = [];
  const database = openDatabase(path, migrations, (words) => found.push(words));
  const tell = (damage: string): void => port.postMessage({ damage } satisfies FromWorker);
  const freeSpace = new FreeSpace(path, limits.reserveBytes);
  const operations = operationsOn(database, { freeSpace, limits, tell });
  const onDamage = (): void => markDamaged(path);
  const batches = new Batches(database, operations, onDamage, () => freeSpace.explainFailure());
  port.on("message", (message: ToWorker) => {
    if (message !== "close") return port.postMessage(batches.run(message));
    // The lock is freed with the last prepared statement, when the thread ends.
    database.close();
    port.close();
  });
  return found;
}

function start(port: MessagePort): void {
  let opened: Outcome;
  try {
    opened = { ok: true, value: serve(port, workerData as WorkerInput) };
  } catch (error) {
    opened = toOutcome(explainOpening(error));
  }
  port.postMessage(opened);
}

/** What cannot be opened for want of room says so. */
function explainOpening(error: unknown): unknown {
  if (toStoreError(error)?.code !== "UNAVAILABLE") return error;
  const words = explainRefusedWrite((workerData as WorkerInput).path);
  return words === undefined ? error : new StoreError("FULL", words, { cause: error });
}

if (parentPort !== null) start(parentPort);
