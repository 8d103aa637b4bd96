import type { Worker } from "node:worker_threads";
import { StoreError } from "../../broker/store.js";
import { maxBatchBytes, maxBatchCalls, maxWaitingCalls } from "./limits.js";
import type { Call, Operations } from "./operations.js";
import { type Outcome, toError } from "./outcome.js";
import type { FromWorker, ToWorker } from "./worker.js";

interface Pending {
  readonly call: Call;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The calls to the worker. Those of one turn of the event loop make one batch, and those that come
 * while a batch is under way make the next: its commit is the window in which they gather, without any
 * timer. Once the worker has ended, for whatever reason, every call fails with UNAVAILABLE.
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

  /** Lets what was called before end, then ends the worker. */
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
      // The worker says so of every call once it cannot trust its database any more.
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

/** How many of the calls go into the next batch; one is let through whatever its size. */
function batchLength(waiting: readonly Pending[]): number {
  let bytes = 0;
  const end = waiting.slice(0, maxBatchCalls).findIndex(({ call }, index) => {
    bytes += call.operation === "enqueue" ? call.args[0].body.byteLength : 0;
    return index > 0 && bytes > maxBatchBytes;
  });
  return end === -1 ? maxBatchCalls : end;
}
