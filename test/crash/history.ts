import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * What one peer did or saw. A call is `invoke`, then `ok` (the broker said so), `fail` (it did not
 * happen) or `unknown` (it may have happened). A call that ends with its process has no second operation,
 * and is unknown too. What only happens to a peer, a delivery or a presentation, is one operation.
 */
export type Operation = Send | Arrival | Report | Return;

export type Phase = "invoke" | "ok" | "fail" | "unknown";

export interface Send {
  readonly act: "send";
  readonly phase: Phase;
  readonly peer: string;
  /** Names the message among all; every attempt to send it has the same. */
  readonly key: string;
  /** With `invoke` the recipients asked for, with `ok` those that accepted it. */
  readonly to: readonly string[];
  /** With `invoke`: the id under which another attempt is the same message; absent where the sender does not know it. */
  readonly messageId?: string;
}

export interface Arrival {
  /** The broker offered it (`deliver`); the recipient's host was shown it (`present`). */
  readonly act: "deliver" | "present";
  readonly peer: string;
  readonly key: string;
  /** Who sent it, as the recipient was told. */
  readonly from: string;
  readonly redelivered: boolean;
  /** The text is what its sender wrote. */
  readonly intact: boolean;
}

export interface Report {
  readonly act: "report";
  readonly phase: Phase;
  readonly peer: string;
  readonly key: string;
  readonly outcome: "presented" | "confirmed" | "returned";
}

/** A process of the peer registered, for the first time or again. */
export interface Return {
  readonly act: "return";
  /** Who it means to be. */
  readonly peer: string;
  /** Names the peer's returns among all keys. */
  readonly key: string;
  /** The name that it was told. */
  readonly as: string;
  /** The peer's id; absent where it is not told. */
  readonly id?: string;
}

export type Recorder = (operation: Operation) => void;

/**
 * The history of one process's peers, on disk: an operation is in the file before `record` returns, so
 * that it outlives `kill -9`. Processes that follow one another form a lineage.
 */
export class HistoryFile implements Disposable {
  readonly #file: number;

  constructor(folder: string, lineage: string, incarnation: number) {
    this.#file = openSync(join(folder, fileName(lineage, incarnation)), "ax", 0o600);
  }

  readonly record: Recorder = (operation) => {
    writeSync(this.#file, `${JSON.stringify(operation)}\n`);
  };

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** The operations of all lineages, or of one; those of one peer are in the order in which they happened. */
export function* readHistory(folder: string, lineage?: string): Generator<Operation> {
  const files = readdirSync(folder).filter(
    (name) => lineage === undefined || name.startsWith(`${lineage}.`),
  );
  for (const file of files.toSorted()) {
    const lines = readFileSync(join(folder, file), "utf8").split("\n");
    // After the last line break: nothing, or an operation that its process did not live to write down.
    lines.pop();
    for (const line of lines) yield JSON.parse(line) as Operation;
  }
}

function fileName(lineage: string, incarnation: number): string {
  return `${lineage}.${String(incarnation).padStart(5, "0")}.jsonl`;
}
