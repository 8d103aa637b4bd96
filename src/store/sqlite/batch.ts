import type Database from "libsql";
import { StoreError } from "../../broker/store.js";
import { isRefusedWrite, isStructural, toStoreError } from "./failure.js";
import type { Call, Operations } from "./operations.js";
import { type Outcome, toOutcome } from "./outcome.js";

/**
 * Runs batches of calls, each batch in one transaction and each call in a savepoint of its own: a call
 * that fails is undone alone. Outcomes leave only after COMMIT.
 *
 * - A batch that is void as a whole, because it does not fit on the disk, is run again call by call, so
 *   that a report is not refused for a message's sake.
 * - A page that cannot be read is told to `onDamage`, and every call is refused from then on: who opens
 *   the database next salvages what is on the others.
 * - A write that is refused for want of room (a quota, a bound on the size of a file, a disk that has
 *   become read-only) is taken like one that does not fit: `explainFailure` tells which it is.
 * - After any other failed write, and any failed sync, nobody knows what is on the disk, and a second sync
 *   that succeeds would prove nothing: every call is refused from then on, until the database is opened
 *   again.
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
      return this.#transact(calls);
    } catch (error) {
      return this.#recover(calls, this.#explain(error));
    }
  }

  #transact(calls: readonly Call[]): Outcome[] {
    this.#database.exec("BEGIN");
    const outcomes = calls.map((call) => this.#attempt(call));
    this.#database.exec("COMMIT");
    return outcomes;
  }

  /** Throws what makes the whole transaction void. */
  #attempt(call: Call): Outcome {
    this.#database.exec("SAVEPOINT call");
    try {
      const value = perform(this.#operations, call);
      this.#database.exec("RELEASE call");
      return { ok: true, value };
    } catch (error) {
      const code = toStoreError(error)?.code;
      const isVoid = code === "FULL" || code === "UNAVAILABLE" || !this.#database.inTransaction;
      if (isVoid || isStructural(error)) throw error;
      this.#database.exec("ROLLBACK TO call; RELEASE call");
      return toOutcome(error);
    }
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

type Handlers = {
  [Name in keyof Operations]: (
    ...args: Parameters<Operations[Name]>
  ) => ReturnType<Operations[Name]>;
};

function perform<Name extends keyof Operations>(
  handlers: Handlers,
  call: { readonly operation: Name; readonly args: Parameters<Operations[Name]> },
): unknown {
  return handlers[call.operation](...call.args);
}
