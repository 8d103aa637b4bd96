import { BrokerService, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { sleep } from "../../src/clock.js";
import type { Client } from "../../src/rpc/client.js";
import { Code } from "../../src/rpc/error.js";
import type { Phase, Recorder } from "./history.js";
import type { Letter } from "./letter.js";
import { callTimeoutMs, maxReports, retryMs } from "./limits.js";

/** A message that a light adapter was given and that the broker may offer again. */
export interface Held {
  /** Sender and message id. */
  readonly id: string;
  readonly letter: Letter & { readonly from: string };
  readonly redelivered: boolean;
  /** The broker's own word, which is in no history. */
  readonly isNote: boolean;
  /** Of its newest delivery. */
  deliveryId: string;
  /** What was last to be reported of it; undefined while it is unread. */
  outcome: Outcome | undefined;
}

/** Reports in batches while there is a stream, and records each, and what the broker answered. */
export class Reports {
  readonly #peer: string;
  readonly #record: Recorder;
  readonly #onConfirmed: (held: Held) => void;
  #pending: { held: Held; outcome: Outcome }[] = [];
  #stop = new AbortController();
  #client: Client<typeof BrokerService> | undefined;
  #sending = false;

  constructor(options: { peer: string; record: Recorder; onConfirmed: (held: Held) => void }) {
    this.#peer = options.peer;
    this.#record = options.record;
    this.#onConfirmed = options.onConfirmed;
  }

  open(client: Client<typeof BrokerService>): void {
    this.#client = client;
    this.#stop = new AbortController();
  }

  /** Drops what is pending: the broker offers those messages again. */
  close(): void {
    this.#client = undefined;
    this.#pending = [];
    this.#stop.abort();
  }

  add(held: Held, outcome: Outcome): void {
    if (this.#client === undefined) return;
    this.#pending.push({ held, outcome });
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => void this.#sendAll().finally(() => (this.#sending = false)));
  }

  async #sendAll(): Promise<void> {
    while (this.#client !== undefined && this.#pending.length > 0) {
      const { signal } = this.#stop;
      const batch = this.#pending.splice(0, maxReports);
      const acks = batch.map(({ held, outcome }) => ({ deliveryId: held.deliveryId, outcome }));
      for (const report of batch) this.#note("invoke", report);
      try {
        const options = { signal, timeoutMs: callTimeoutMs };
        const { results } = await this.#client.ackMessages({ acks }, options);
        // An answer that comes when the stream has ended may be older than a new delivery.
        signal.throwIfAborted();
        const open = batch.filter(
          (report, index) => !this.#conclude(report, results[index]?.error),
        );
        if (open.length === 0) continue;
        this.#pending.unshift(...open);
        await sleep(retryMs, signal).catch(() => undefined);
      } catch {
        for (const report of batch) this.#note("unknown", report);
        if (!signal.aborted) this.#pending.unshift(...batch);
        await sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  /** Whether the answer is final, as it is for the real adapter. */
  #conclude(
    report: { held: Held; outcome: Outcome },
    error: { code: number } | undefined,
  ): boolean {
    const isFinal = error === undefined || finalCodes.has(error.code);
    this.#note(error === undefined ? "ok" : isFinal ? "fail" : "unknown", report);
    if (error === undefined && report.outcome === Outcome.CONFIRMED) this.#onConfirmed(report.held);
    return isFinal;
  }

  #note(phase: Phase, { held, outcome }: { held: Held; outcome: Outcome }): void {
    if (held.isNote) return;
    const { key } = held.letter;
    this.#record({ act: "report", phase, peer: this.#peer, key, outcome: words[outcome] });
  }
}

/** The lease is over, or the report is wrong. Anything else may pass: a store that does not answer now. */
const finalCodes: ReadonlySet<number> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.NotFound,
  Code.DataLoss,
]);

const words = {
  [Outcome.UNSPECIFIED]: "returned",
  [Outcome.PRESENTED]: "presented",
  [Outcome.CONFIRMED]: "confirmed",
  [Outcome.RETURNED]: "returned",
  [Outcome.REJECTED]: "returned",
  [Outcome.EXPIRED]: "returned",
} as const;
