import {
  Outcome,
  type BrokerService,
  type Delivery,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, type Message } from "../../gen/peerline/v1/message_pb.js";
import type { Client } from "../rpc/client.js";
import { callTimeoutMs, maxAcks } from "./limits.js";

/**
 * Reports the messages of one subscription as read, many at a time: while one report is under way the
 * next ones gather.
 *
 * A message stays in `shown` until the broker has its report. If the connection is lost before, the
 * message comes again with the next subscription: it is reported then, and not shown twice.
 */
export class Confirmations {
  readonly #client: Client<typeof BrokerService>;
  readonly #shown: Set<string>;
  readonly #onFailure: () => void;
  /** Messages that are to be reported, by delivery. */
  readonly #due = new Map<string, string>();
  /** The report under way; once it has failed it stays, and nothing more is reported. */
  #reporting: Promise<void> | undefined;

  constructor(options: {
    client: Client<typeof BrokerService>;
    /** Messages that have been shown, and of which the broker may not know it. */
    shown: Set<string>;
    /** Called once, when a report has failed; `drain` then rejects with its error. */
    onFailure: () => void;
  }) {
    this.#client = options.client;
    this.#shown = options.shown;
    this.#onFailure = options.onFailure;
  }

  isShown(message: Message): boolean {
    return this.#shown.has(keyOf(message));
  }

  /** Begins to report that the message of a delivery has been shown. */
  add(delivery: Delivery, message: Message): void {
    const key = keyOf(message);
    this.#shown.add(key);
    this.#due.set(delivery.deliveryId, key);
    if (this.#reporting !== undefined) return;
    this.#reporting = this.#report();
    this.#reporting.catch(this.#onFailure);
  }

  /** Resolves when all that is due has been reported. */
  async drain(): Promise<void> {
    await this.#reporting;
  }

  async #report(): Promise<void> {
    while (this.#due.size > 0) {
      const batch = new Map([...this.#due].slice(0, maxAcks));
      for (const deliveryId of batch.keys()) this.#due.delete(deliveryId);
      const { results } = await this.#client.ackMessages(
        { acks: [...batch.keys()].map(confirmed) },
        { timeoutMs: callTimeoutMs },
      );
      for (const { deliveryId, error } of results) {
        // Where the lease has ended meanwhile, the message is offered again.
        if (error === undefined) this.#shown.delete(batch.get(deliveryId) ?? "");
      }
    }
    this.#reporting = undefined;
  }
}

function confirmed(deliveryId: string) {
  return { deliveryId, outcome: Outcome.CONFIRMED, confirmedBy: ConfirmedBy.EXPLICIT_ACK };
}

function keyOf({ from, messageId }: Message): string {
  return `${from?.peerId}/${messageId}`;
}
