import { maxAcks } from "../contract/limits.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AckResult, AckSchema, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import type { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import { BackOff } from "../back-off.js";
import { sleep } from "../clock.js";
import { Code } from "../rpc/error.js";
import type { HeldMessage } from "./inbox.js";
import { maxRetryMs, minRetryMs } from "./limits.js";

export type SendReports = (
  acks: MessageInitShape<typeof AckSchema>[],
  signal: AbortSignal,
) => Promise<readonly AckResult[]>;

/** What became of a delivery. */
export interface Report {
  readonly outcome: Outcome;
  /** With CONFIRMED: the evidence. */
  readonly confirmedBy?: ConfirmedBy;
  /** With RETURNED or REJECTED: why, for the sender; at most 500 bytes. */
  readonly reason?: string;
}

interface PendingReport {
  readonly held: HeldMessage;
  readonly report: Report;
}

/**
 * Tells the broker what became of deliveries, in order and in batches: what is reported in one tick,
 * or while a batch is under way, makes the next batch.
 *
 * It is open while there is a subscription. Delivery ids end with theirs, so closing drops what is
 * pending: what the broker does not know it delivers again, and then it is reported anew.
 */
export class Reports {
  readonly #onTaken: (held: HeldMessage, report: Report) => void;
  readonly #onRefused: (held: HeldMessage, report: Report) => void;
  #pending: PendingReport[] = [];
  #send: SendReports | undefined;
  #stop = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: {
    /** The report is durable. */
    onTaken: (held: HeldMessage, report: Report) => void;
    /** The broker refused the report, and the delivery goes on. */
    onRefused: (held: HeldMessage, report: Report) => void;
  }) {
    this.#onTaken = options.onTaken;
    this.#onRefused = options.onRefused;
  }

  open(send: SendReports): void {
    this.#send = send;
    this.#stop = new AbortController();
  }

  close(): void {
    this.#send = undefined;
    this.#pending = [];
    this.#stop.abort();
  }

  add(held: HeldMessage, report: Report): void {
    if (this.#send === undefined) return;
    this.#pending.push({ held, report });
    this.#sending ??= this.#sendAll();
  }

  /** Resolves when nothing is pending. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    const backOff = new BackOff({ firstMs: minRetryMs, maxMs: maxRetryMs });
    await nextTick();
    while (this.#send !== undefined && this.#pending.length > 0) {
      const send = this.#send;
      const { signal } = this.#stop;
      const batch = this.#pending.slice(0, maxAcks);
      try {
        const results = await send(batch.map(toAck), signal);
        if (signal.aborted) continue;
        const unserved = batch.filter((report, index) => !this.#conclude(report, results[index]));
        this.#pending = [...unserved, ...this.#pending.slice(batch.length)];
        if (unserved.length === 0) backOff.reset();
        else await sleep(backOff.nextMs(), signal).catch(() => {});
      } catch {
        // The call as a whole failed. If the connection is lost, closing ends the loop.
        await sleep(backOff.nextMs(), signal).catch(() => {});
      }
    }
    this.#sending = undefined;
  }

  /** Whether the answer to a report is final. */
  #conclude({ held, report }: PendingReport, result: AckResult | undefined): boolean {
    switch (result?.error?.code) {
      case undefined:
        this.#onTaken(held, report);
        return true;
      case Code.InvalidArgument:
        this.#onRefused(held, report);
        return true;
      // The lease is over, or there was none.
      case Code.FailedPrecondition:
      case Code.NotFound:
      case Code.DataLoss:
        return true;
      default:
        return false;
    }
  }
}

function toAck({ held, report }: PendingReport) {
  return { deliveryId: held.deliveryId, ...report };
}

async function nextTick(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
