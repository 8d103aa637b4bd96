import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { StoreError } from "../../broker/store/store.js";
import { type Outcome, toError } from "./failure.js";
import { maxBatchBytes, maxBatchCalls, maxWaitingCalls } from "./limits.js";
import type { Call, Operations } from "./operations.js";
import type { FromWorker, ToWorker, WorkerInput } from "./worker.js";

/** Starts the worker and waits until it has opened the database. `damages` are those met by then. */
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
  // The database is unlocked when the thread has ended.
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

interface Pending {
  readonly call: Call;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The calls to the worker. The calls of one turn of the event loop make one batch. Calls that come during
 * a commit make the next batch, so no timer is needed to gather them. When the worker has ended, every
 * call fails with UNAVAILABLE.
 */
export class Calls implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #onIdle: () => void;
  readonly #onBroken: (error: StoreError) => void;
  readonly #exited: Promise<void>;
  readonly #waiting: Pending[] = [];
  #underWay: Pending[] = [];
  #isScheduled = false;
  #refusal: StoreError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: {
    worker: Worker;
    /** Called when a batch was answered and nothing else waits. */
    onIdle: () => void;
    /** Called with words on each damage that the worker finds. */
    onDamage: (words: string) => void;
    /** Called once, when every call is refused from now on, though nobody has closed the store. */
    onBroken: (error: StoreError) => void;
  }) {
    const { worker } = options;
    this.#worker = worker;
    this.#onIdle = options.onIdle;
    this.#onBroken = options.onBroken;
    worker.on("message", (message: FromWorker) => {
      if ("damage" in message) options.onDamage(message.damage);
      else this.#settle(message);
    });
    worker.on("error", (cause) => this.#fail("The store's thread failed.", cause));
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#fail("The store's thread has ended.");
        resolve();
      });
    });
  }

  call<Name extends keyof Operations>(
    operation: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<ReturnType<Operations[Name]>> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (this.#waiting.length >= maxWaitingCalls) {
      return Promise.reject(new StoreError("UNAVAILABLE", "Too many calls wait for the store."));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call: { operation, args } as Call, resolve, reject });
      this.#schedule();
    });
  }

  /** Lets earlier calls end, then ends the worker. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#refusal ??= new StoreError("UNAVAILABLE", "The store is closed.");
    this.#schedule();
    await this.#exited;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#underWay.length > 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    this.#underWay = this.#waiting.splice(0, batchLength(this.#waiting));
    if (this.#underWay.length > 0) return this.#post(this.#underWay.map(({ call }) => call));
    if (this.#closing !== undefined) this.#post("close");
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }

  #settle(outcomes: readonly Outcome[]): void {
    const answered = this.#underWay;
    this.#underWay = [];
    answered.forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index];
      if (outcome?.ok === true) return resolve(outcome.value as never);
      const error = outcome ? toError(outcome) : new Error("a call was not answered");
      // The worker answers every call so when it no longer trusts its database.
      if (error instanceof StoreError && error.code === "UNAVAILABLE") this.#refuse(error);
      reject(error);
    });
    if (this.#waiting.length > 0 || this.#closing !== undefined) this.#schedule();
    else this.#onIdle();
  }

  #fail(words: string, cause?: unknown): void {
    const refusal = this.#refuse(new StoreError("UNAVAILABLE", words, { cause }));
    for (const { reject } of [...this.#underWay, ...this.#waiting]) reject(refusal);
    this.#underWay = [];
    this.#waiting.length = 0;
  }

  #refuse(error: StoreError): StoreError {
    if (this.#refusal === undefined) {
      this.#refusal = error;
      this.#onBroken(error);
    }
    return this.#refusal;
  }
}

/** How many calls go into the next batch. The first goes in whatever its size. */
function batchLength(waiting: readonly Pending[]): number {
  let bytes = 0;
  const end = waiting.slice(0, maxBatchCalls).findIndex(({ call }, index) => {
    bytes += call.operation === "enqueue" ? call.args[0].body.byteLength : 0;
    return index > 0 && bytes > maxBatchBytes;
  });
  return end === -1 ? maxBatchCalls : end;
}
