import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { StoreError } from "../../broker/store/store.js";
import { Batches } from "./batch.js";
import { openDatabase } from "./database.js";
import { type Outcome, toOutcome, toStoreError } from "./failure.js";
import { explainRefusedWrite, FreeSpace } from "./free-space.js";
import type { SqliteLimits } from "./limits.js";
import { type Call, operationsOn } from "./operations.js";
import { markDamaged } from "./damage/salvage.js";
import { migrations } from "./schema.js";

/** What the worker is started with. */
export interface WorkerInput {
  readonly path: string;
  readonly limits: SqliteLimits;
}

/** A batch of calls, which is answered by their outcomes; or "close", which ends the worker. */
export type ToWorker = readonly Call[] | "close";

/** The outcomes of a batch, or words on damage that was found. */
export type FromWorker = readonly Outcome[] | { readonly damage: string };

/**
 * The thread that holds the database. It is the only writer, so a slow disk holds up nobody else. Its first
 * message is the outcome of opening, with words on the damage met by then. Each later one has the outcomes
 * of a batch, or words on damage.
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
    // SQLite unlocks the file with the last prepared statement, when the thread ends.
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

/** Says so where the database cannot be opened for want of room. */
function explainOpening(error: unknown): unknown {
  if (toStoreError(error)?.code !== "UNAVAILABLE") return error;
  const words = explainRefusedWrite((workerData as WorkerInput).path);
  return words === undefined ? error : new StoreError("FULL", words, { cause: error });
}

if (parentPort !== null) start(parentPort);
