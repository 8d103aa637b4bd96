import { BackOff } from "../../../back-off.js";
import { StoreError } from "../../../broker/store/store.js";
import { sleep, systemClock } from "../../../clock.js";
import {
  firstChangeWaitMs,
  maxChangeWaitMs,
  maxUncertainChanges,
  publishDeadlineMs,
} from "../limits.js";
import type { Publisher } from "../publish.js";
import type { RecordStream } from "./record-stream.js";
import type { RecordView } from "./record-view.js";

/** What a change writes, seen from the records as they are known. */
export interface Write {
  readonly subject: string;
  readonly text: string;
  /** Which records the decision saw: the one on the subject, or, where what is written must be unique, all. */
  readonly expect: { readonly lastSubjectSeq: number } | { readonly lastSeq: number };
  /** It is stored, with this sequence. */
  stored(seq: number): void;
}

/**
 * What is to be written; undefined: nothing. It throws the StoreError with which the change is refused, and is
 * asked again after each conflict.
 */
export type Decision = () => Promise<Write | undefined> | Write | undefined;

export interface RecordChangesOptions {
  readonly publisher: Publisher;
  readonly stream: string;
  readonly records: RecordStream;
  readonly view: RecordView;
}

/**
 * Changes records by compare-and-set:
 *
 * 1. Decide what to write, from the records as they are known here.
 * 2. Where that is nothing, or a refusal, bring the records up to date first and decide again. So no refusal
 *    comes from what is old, and whoever watches knows its reason by then.
 * 3. Publish, on the condition that the records are still those that the decision saw.
 * 4. On a conflict bring the records up to date, wait a little at random, and begin again, until the deadline.
 */
export class RecordChanges {
  readonly #options: RecordChangesOptions;
  /** What may have been stored though its caller was told UNAVAILABLE, by its subject. */
  readonly #uncertain = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RecordChangesOptions) {
    this.#options = options;
  }

  /** Whether this text on this subject may have been stored by a call that was told UNAVAILABLE. */
  mayHaveStored(subject: string, text: string): boolean {
    return this.#uncertain.get(subject) === text;
  }

  /** Makes the change. */
  async make(decide: Decision): Promise<void> {
    await this.#make(decide, systemClock.monotonic() + publishDeadlineMs);
  }

  /** The same, after those of this process that were asked for before: they would meet each other. */
  async makeInTurn(decide: Decision): Promise<void> {
    const endMs = systemClock.monotonic() + publishDeadlineMs;
    const turn = this.#turn.then(() => this.#make(decide, endMs));
    this.#turn = turn.catch(() => {});
    await turn;
  }

  async #make(decide: Decision, endMs: number): Promise<void> {
    const { publisher, stream, records, view } = this.#options;
    const waits = new BackOff({ firstMs: firstChangeWaitMs, maxMs: maxChangeWaitMs });
    let isCurrent = false;
    for (;;) {
      let write: Write | undefined;
      try {
        write = await decide();
      } catch (error) {
        if (isCurrent || !(error instanceof StoreError)) throw error;
      }
      if (write === undefined) {
        if (isCurrent) return;
        await records.catchUp(endMs);
        isCurrent = true;
        continue;
      }
      const { subject, text, expect } = write;
      const before = view.seqOf(subject);
      const deadlineMs = endMs - systemClock.monotonic();
      if (deadlineMs <= 0) throw busy();
      const payload = Buffer.from(text);
      const outcome = await publisher.publish({
        stream,
        subject,
        payload,
        expect,
        deadlineMs,
      });
      switch (outcome.state) {
        case "stored":
          this.#uncertain.delete(subject);
          write.stored(outcome.seq);
          records.wrote({ subject, seq: outcome.seq, data: payload });
          return;
        case "full":
          throw new StoreError("FULL", outcome.words);
        case "refused":
          throw new StoreError("UNAVAILABLE", outcome.words);
        case "unavailable":
          this.#remember(subject, text);
          throw new StoreError("UNAVAILABLE", outcome.words);
        case "conflict":
          if (outcome.uncertain) this.#remember(subject, text);
          await records.catchUp(endMs);
          isCurrent = true;
          if (outcome.uncertain && view.seqOf(subject) !== before) throw replaced();
      }
      await sleep(Math.min(waits.nextMs(), Math.max(endMs - systemClock.monotonic(), 0)));
    }
  }

  #remember(subject: string, text: string): void {
    this.#uncertain.delete(subject);
    this.#uncertain.set(subject, text);
    for (const [oldest] of this.#uncertain) {
      if (this.#uncertain.size <= maxUncertainChanges) break;
      this.#uncertain.delete(oldest);
    }
  }
}

function busy(): StoreError {
  return new StoreError(
    "UNAVAILABLE",
    "Other brokers change the records all the time. Try again in some seconds.",
  );
}

function replaced(): StoreError {
  return new StoreError(
    "UNAVAILABLE",
    "The record may have been stored, and was changed since. Read it again.",
  );
}
