import type Database from "libsql";
import { StoreError } from "../../broker/store/store.js";
import { isRefusedWrite, isStructural, type Outcome, toOutcome, toStoreError } from "./failure.js";
import type { Call, Operations } from "./operations.js";

/**
 * Runs each batch of calls in one transaction. Outcomes leave only after COMMIT.
 *
 * - A call may fail, for example at a receipt that is gone. The batch is undone and run again with each
 *   call in a savepoint, so that the failed call is undone alone. Most batches need no savepoint.
 * - A batch may not fit on the disk. It is run again call by call, so that a message that has no room
 *   does not take the reports in its batch with it.
 * - A write may be refused for want of room: a quota, a bound on file sizes, a read-only disk.
 *   `explainFailure` says which it is. The batch is treated as one that does not fit.
 * - A page that cannot be read is told to `onDamage`. Every call is refused from then on. The database is
 *   salvaged when it is opened next.
 * - After any other failed write and any failed sync, nobody knows what is on the disk, and a second sync
 *   that succeeds would prove nothing. Every call is refused until the database is opened again.
 */
export class Batches {
  readonly #database: Database.Database;
  readonly #operations: Operations;
  readonly #onDamage: () => void;
  readonly #explainFailure: () => string | undefined;
  #broken: StoreError | undefined;

  constructor(
    database: Database.Database,
    operations: Operations,
    onDamage: () => void = () => {},
    explainFailure: () => string | undefined = () => undefined,
  ) {
    this.#database = database;
    this.#operations = operations;
    this.#onDamage = onDamage;
    this.#explainFailure = explainFailure;
  }

  run(calls: readonly Call[]): Outcome[] {
    const broken = this.#broken;
    if (broken !== undefined) return calls.map(() => toOutcome(broken));
    try {
      return this.#transact(calls, (call) => this.#perform(call));
    } catch (error) {
      return this.#isVoid(error)
        ? this.#recover(calls, this.#explain(error))
        : this.#runApart(calls);
    }
  }

  /** Runs the batch again, in whose first run a call failed. */
  #runApart(calls: readonly Call[]): Outcome[] {
    try {
      this.#database.exec("ROLLBACK");
      return this.#transact(calls, (call) => this.#attempt(call));
    } catch (error) {
      return this.#recover(calls, this.#explain(error));
    }
  }

  #transact(calls: readonly Call[], run: (call: Call) => Outcome): Outcome[] {
    this.#database.exec("BEGIN");
    const outcomes = calls.map(run);
    this.#database.exec("COMMIT");
    return outcomes;
  }

  #perform(call: Call): Outcome {
    const perform = this.#operations[call.operation] as (...args: unknown[]) => unknown;
    return { ok: true, value: perform(...call.args) };
  }

  /** Throws an error that makes the whole transaction void. */
  #attempt(call: Call): Outcome {
    this.#database.exec("SAVEPOINT call");
    try {
      const outcome = this.#perform(call);
      this.#database.exec("RELEASE call");
      return outcome;
    } catch (error) {
      if (this.#isVoid(error)) throw error;
      this.#database.exec("ROLLBACK TO call; RELEASE call");
      return toOutcome(error);
    }
  }

  /** Whether the error concerns more than the call that met it. */
  #isVoid(error: unknown): boolean {
    const code = toStoreError(error)?.code;
    const isUndone = !this.#database.inTransaction;
    return code === "FULL" || code === "UNAVAILABLE" || isUndone || isStructural(error);
  }

  #explain(error: unknown): unknown {
    const words = isRefusedWrite(error) ? this.#explainFailure() : undefined;
    return words === undefined ? error : new StoreError("FULL", words, { cause: error });
  }

  #recover(calls: readonly Call[], error: unknown): Outcome[] {
    if (isStructural(error)) this.#onDamage();
    const code = isStructural(error) ? "UNAVAILABLE" : toStoreError(error)?.code;
    if (code === undefined || code === "UNAVAILABLE") return this.#break(calls, error);
    try {
      // SQLite has undone some of these failures by itself.
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
    } catch (rollbackError) {
      return this.#break(calls, rollbackError);
    }
    if (calls.length > 1) return calls.flatMap((call) => this.run([call]));
    return [toOutcome(error)];
  }

  #break(calls: readonly Call[], cause: unknown): Outcome[] {
    const words = toStoreError(cause)?.message ?? String(cause);
    this.#broken = new StoreError("UNAVAILABLE", `${words} The broker must be started again.`);
    return this.run(calls);
  }
}
