import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Outcome, type Ack } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../../clock.js";
import { cleanLine, invalidField } from "../fields.js";
import { maxDeliveryAttempts, maxReturnDelayMs, returnDelayMs } from "../limits.js";
import type { Session } from "../peers/sessions.js";
import { isGone, type Receipts } from "./receipts.js";
import type { QueuedMessage, QueueReader } from "../store/queues.js";

/** A delivery under way: handed to the session's stream, not settled. */
export interface Lease {
  readonly deliveryId: string;
  readonly seq: bigint;
  readonly sizeBytes: number;
  /** The sender's peer_id. */
  readonly fromPeerId: string;
  /** When the message expires. The message itself is not kept: its recipient may hold it for long. */
  readonly expireMs: number;
  /** It was presented in a stream before this one. */
  readonly wasPresented: boolean;
  presented: boolean;
  /** Reports on one delivery are carried out in their order. */
  reporting: Promise<unknown>;
}

/**
 * The deliveries of one stream, and its credit.
 *
 * A lease begins when a message is handed to the stream. PRESENTED gives its credit back and keeps the
 * lease; CONFIRMED, RETURNED, REJECTED and EXPIRED end it. When the stream ends, all end: what was
 * presented and never confirmed is told to `onUnconfirmed`, so that its next delivery counts an attempt.
 */
export class Leases {
  readonly #bySeq = new Map<bigint, Lease>();
  readonly #reader: QueueReader;
  readonly #receipts: Receipts;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #peerId: string;
  #usedMessages = 0;
  #usedBytes = 0;

  constructor(options: {
    reader: QueueReader;
    receipts: Receipts;
    clock: Clock;
    session: Session;
  }) {
    this.#reader = options.reader;
    this.#receipts = options.receipts;
    this.#clock = options.clock;
    this.#session = options.session;
    this.#peerId = options.session.peer.stored.peerId;
  }

  /** What of the credit is used by messages that are leased and not presented. */
  get used(): { messages: number; bytes: number } {
    return { messages: this.#usedMessages, bytes: this.#usedBytes };
  }

  begin(queued: QueuedMessage): Lease {
    const { seq, state } = queued.receipt;
    const { expireTime, from } = queued.message;
    const { epoch } = this.#session;
    const attempt = ++this.#session.deliveryCount;
    const lease = {
      deliveryId: formatDeliveryId({ peerId: this.#peerId, epoch, seq, attempt }),
      seq,
      sizeBytes: queued.sizeBytes,
      fromPeerId: from?.peerId ?? "",
      expireMs: expireTime === undefined ? Number.POSITIVE_INFINITY : timestampMs(expireTime),
      wasPresented: state === ReceiptState.PRESENTED,
      presented: false,
      reporting: Promise.resolve(),
    };
    this.#bySeq.set(seq, lease);
    this.#usedMessages++;
    this.#usedBytes += queued.sizeBytes;
    return lease;
  }

  /**
   * Carries out a report after those on the same delivery before it. Resolves to the receipt's state
   * once that is durable, or to undefined where the delivery has no lease, or has none any more.
   */
  async report(seq: bigint, ack: Ack): Promise<ReceiptState | undefined> {
    const lease = this.#bySeq.get(seq);
    if (lease?.deliveryId !== ack.deliveryId) return undefined;
    const report = lease.reporting.then(() =>
      this.#bySeq.get(seq) === lease ? this.#carryOut(lease, ack) : undefined,
    );
    lease.reporting = report.catch(() => undefined);
    return report;
  }

  /** Whether a message of this peer is under a lease. */
  holdsOf(senderPeerId: string): boolean {
    return [...this.#bySeq.values()].some(({ fromPeerId }) => fromPeerId === senderPeerId);
  }

  has(seq: bigint): boolean {
    return this.#bySeq.has(seq);
  }

  async #carryOut(lease: Lease, ack: Ack): Promise<ReceiptState> {
    const { seq } = lease;
    switch (ack.outcome) {
      case Outcome.PRESENTED:
        return this.#present(lease);
      case Outcome.CONFIRMED: {
        const confirmedBy = ack.confirmedBy || ConfirmedBy.EXPLICIT_ACK;
        const state = await this.#advance(seq, { state: ReceiptState.CONFIRMED, confirmedBy });
        this.end(seq);
        return state;
      }
      case Outcome.RETURNED:
        return this.#giveBack(lease, cleanLine(ack.reason) || "returned by the recipient");
      case Outcome.REJECTED: {
        const reason = cleanLine(ack.reason) || "rejected by the recipient";
        const state = await this.#advance(seq, { state: ReceiptState.DEAD_LETTERED, reason });
        this.end(seq);
        return state;
      }
      case Outcome.EXPIRED: {
        this.#requireExpired(lease);
        const state = await this.#advance(seq, { state: ReceiptState.EXPIRED });
        this.end(seq);
        return state;
      }
      default:
        throw invalidField("outcome", "outcome is none of Outcome");
    }
  }

  /** Ends a lease, if there is one: its credit is given back. */
  end(seq: bigint): void {
    const lease = this.#bySeq.get(seq);
    if (lease === undefined) return;
    this.#bySeq.delete(seq);
    if (!lease.presented) this.#giveCredit(lease);
  }

  /** Ends all leases; returns the messages that were presented and never confirmed. */
  endAll(): bigint[] {
    const unconfirmed = [...this.#bySeq.values()].filter((lease) => lease.presented);
    this.#bySeq.clear();
    return unconfirmed.map((lease) => lease.seq);
  }

  async #present(lease: Lease): Promise<ReceiptState> {
    const state = await this.#advance(lease.seq, { state: ReceiptState.PRESENTED });
    if (!lease.presented && this.#bySeq.get(lease.seq) === lease) {
      lease.presented = true;
      this.#giveCredit(lease);
    }
    return state;
  }

  async #giveBack(lease: Lease, reason: string): Promise<ReceiptState> {
    const { seq } = lease;
    this.end(seq);
    try {
      const { receipt } = await this.#receipts.advance(this.#peerId, seq, { failedAttempt: true });
      if (receipt.attempts >= maxDeliveryAttempts) {
        const why = `${receipt.attempts} failed attempts; the last: ${reason}`;
        return await this.#advance(seq, { state: ReceiptState.DEAD_LETTERED, reason: why });
      }
      const delayMs = returnDelayMs * 2 ** Math.max(0, receipt.attempts - 1);
      this.#reader.giveBack(seq, Math.min(delayMs, maxReturnDelayMs));
      return receipt.state;
    } catch (error) {
      // Its lease has ended, so it is offered again, whatever the store could note of it.
      this.#reader.giveBack(seq, returnDelayMs);
      throw error;
    }
  }

  #requireExpired(lease: Lease): void {
    // In this stream or in one before.
    const wasPresented = lease.presented || lease.wasPresented;
    if (wasPresented) throw invalidField("outcome", "outcome: what was presented cannot expire");
    if (lease.expireMs > this.#clock.now()) {
      const message = "outcome: the message has not expired yet by the broker's clock";
      throw invalidField("outcome", message);
    }
  }

  async #advance(
    seq: bigint,
    change: { state: ReceiptState; confirmedBy?: ConfirmedBy; reason?: string },
  ): Promise<ReceiptState> {
    try {
      return (await this.#receipts.advance(this.#peerId, seq, change)).receipt.state;
    } catch (error) {
      // Nobody settles what is gone: its credit would never come back.
      if (isGone(error)) this.end(seq);
      throw error;
    }
  }

  #giveCredit(lease: Lease): void {
    this.#usedMessages--;
    this.#usedBytes -= lease.sizeBytes;
  }
}

/** Which attempt to hand over which message a report is about. */
export interface DeliveryKey {
  readonly peerId: string;
  readonly epoch: number;
  readonly seq: bigint;
  /** Tells attempts of one session apart, whichever of its streams made them. */
  readonly attempt: number;
}

const pattern = /^([0-9a-f-]{36})\.(\d{1,15})\.(\d{1,19})\.(\d{1,15})$/;

/** Opaque to clients. It holds the peer, so that a foreign id can never name a delivery of one's own. */
export function formatDeliveryId({ peerId, epoch, seq, attempt }: DeliveryKey): string {
  return `${peerId}.${epoch}.${seq}.${attempt}`;
}

export function parseDeliveryId(deliveryId: string): DeliveryKey | undefined {
  const match = pattern.exec(deliveryId);
  if (match === null) return undefined;
  const [, peerId = "", epoch, seq = "0", attempt] = match;
  return { peerId, epoch: Number(epoch), seq: BigInt(seq), attempt: Number(attempt) };
}
