import type { Clock } from "../../../clock.js";
import type { StoreLimits } from "../../limits.js";
import { deleteMessage } from "../delete-message.js";
import { pruneSlice } from "../limits.js";
import type { MailView } from "./mail-view.js";
import type { Engine } from "./registers.js";

interface Parts {
  readonly engine: Engine;
  readonly view: MailView;
  readonly clock: Clock;
  readonly limits: StoreLimits;
  readonly tell: (words: string) => void;
}

/**
 * Forgets closed deliveries that are older than the retention, and their registers. Every gateway does so by
 * the same rule, so that each of them knows what is gone; what another deleted first is gone as well.
 */
export class Pruning implements AsyncDisposable {
  readonly #parts: Parts;
  #timer: Disposable;
  #working: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#timer = this.#plan();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer[Symbol.dispose]();
    await this.#working;
  }

  #plan(): Disposable {
    const { clock, limits } = this.#parts;
    return clock.after(limits.pruneIntervalMs, () => {
      this.#timer = this.#plan();
      this.#working = this.#working
        .then(() => this.#prune())
        .catch((error: unknown) => this.#parts.tell(`Old messages stay: ${String(error)}`));
    });
  }

  async #prune(): Promise<void> {
    const { view, clock, limits } = this.#parts;
    const beforeMs = clock.now() - limits.retentionMs;
    const old: { seq: number; to: string }[] = [];
    // The order of acceptance is that of times only nearly: one message of a wrong clock ends nothing.
    let young = 0;
    for (const { seq, to, acceptMs } of view.ledger.after(0)) {
      young = acceptMs < beforeMs ? 0 : young + 1;
      if (young > maxYoungInTurn) break;
      if (young === 0 && view.find(to, seq) === undefined) old.push({ seq, to });
    }
    for (let index = 0; index < old.length && !this.#isClosed; index += pruneSlice) {
      await Promise.all(old.slice(index, index + pruneSlice).map((one) => this.#forget(one)));
    }
  }

  async #forget({ seq, to }: { seq: number; to: string }): Promise<void> {
    const { view, engine } = this.#parts;
    const { names, subjects } = engine;
    const { manager } = engine.link;
    try {
      await deleteMessage(manager, names.mail, seq);
      await manager.streams.purge(names.receipts, { filter: subjects.receiptsAt(to, seq) });
      view.forget(seq);
    } catch {
      // The engine does not answer: the next round tries again.
    }
  }
}

/** After so many in turn that are not old, no older one is expected. */
const maxYoungInTurn = 1_000;
