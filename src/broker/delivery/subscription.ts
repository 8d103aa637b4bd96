import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Closing_Reason,
  DeliverySchema,
  SubscribeResponseSchema,
  type Ack,
  type SubscribeResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import {
  PeerRefSchema,
  ReceiptState,
  type Message,
  type PeerRef,
  type Receipt,
} from "../../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../../clock.js";
import { BrokerError, translateStoreErrors } from "../broker-error.js";
import { Pulse } from "../../pulse.js";
import type { BrokerLog } from "../core.js";
import { encodedOnce } from "./encoded-message.js";
import { Leases } from "./leases.js";
import { maxAheadBytes, maxDeliveryAttempts } from "../limits.js";
import type { Receipts } from "./receipts.js";
import type { Unconfirmed } from "./unconfirmed.js";
import type { Session, SessionStream } from "../peers/sessions.js";
import type { QueuedMessage, QueueReader } from "../store/queues.js";
import type { Store } from "../store/store.js";
import type { StoredPeer } from "../store/peers.js";

type Event = MessageInitShape<typeof SubscribeResponseSchema>;

/**
 * One open stream of one session: what its queue holds becomes events, within its credit.
 *
 * It *fills* while it has credit and the queue has mail. It *rests* until the queue wakes it or credit
 * comes back. It is *ended* once, by its reader, its session or the broker. Its leases end with it at
 * that moment, also when its reader is stuck.
 */
export class Subscription implements SessionStream {
  readonly #session: Session;
  readonly #peerOf: (peerId: string) => StoredPeer | undefined;
  readonly #receipts: Receipts;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  readonly #credit: { messages: number; bytes: number };
  readonly #unconfirmed: Unconfirmed;
  readonly #reader: QueueReader;
  readonly #leases: Leases;
  readonly #outbox: Event[] = [];
  /** Of the deliveries in the outbox, in their order. */
  readonly #sizes: number[] = [];
  #outboxBytes = 0;
  readonly #changes = new Pulse();
  #filling = false;
  #fillAgain = false;
  #toldBacklog = "0";
  #closing: { reason: Closing_Reason; detail: string } | undefined;
  #failure: unknown;
  #isEnded = false;

  constructor(options: {
    store: Store;
    session: Session;
    receipts: Receipts;
    clock: Clock;
    log: BrokerLog;
    credit: { messages: number; bytes: number };
    unconfirmed: Unconfirmed;
    /** A peer as it is now; undefined where it is gone. */
    peerOf: (peerId: string) => StoredPeer | undefined;
  }) {
    this.#session = options.session;
    this.#peerOf = options.peerOf;
    this.#receipts = options.receipts;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#credit = options.credit;
    this.#unconfirmed = options.unconfirmed;
    const { peerId } = options.session.peer.stored;
    this.#reader = options.store.queues.open(
      { peerId, epoch: options.session.epoch },
      {
        wake: () => this.#fill(),
        damaged: ({ from, messageId, receipt }) => {
          this.#log.error(
            { peer: options.session.peer.stored.name, messageId },
            "stored message is damaged",
          );
          this.#receipts.ended({ from, messageId, receipt });
        },
      },
    );
    const { receipts, clock, session } = options;
    this.#leases = new Leases({ reader: this.#reader, receipts, clock, session });
  }

  /** How many messages the stream may hand out now. */
  async countOpen(): Promise<number> {
    return (await translateStoreErrors(() => this.#reader.backlog())).unread;
  }

  /** The events, until the stream ends or `signal` aborts. Leaving ends the stream. */
  async *events(signal: AbortSignal): AsyncGenerator<SubscribeResponse> {
    const abort = (): void => this.leave();
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    try {
      this.#fill();
      for (;;) {
        const event = this.#takeEvent();
        if (event !== undefined) yield create(SubscribeResponseSchema, event);
        else if (this.#isEnded) break;
        else await this.#changes.next();
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closing !== undefined) yield* this.#farewell(this.#closing);
    } finally {
      signal.removeEventListener("abort", abort);
      this.leave();
    }
  }

  /** Carries out a report on a delivery of this stream; undefined when it holds no such lease. */
  async report(seq: bigint, ack: Ack): Promise<ReceiptState | undefined> {
    try {
      const state = await this.#leases.report(seq, ack);
      if (state === undefined) return undefined;
      // The stream may have ended meanwhile, and left the message among the unconfirmed.
      if (state > ReceiptState.PRESENTED) this.#unconfirmed.settle(seq);
      return state;
    } finally {
      // A report that failed may have given credit back too.
      this.#fill();
    }
  }

  /** The stream holds the message under a lease. */
  holds(seq: bigint): boolean {
    return this.#leases.has(seq);
  }

  /** The message was settled by other means (it was answered): its lease ends. */
  settle(seq: bigint): void {
    this.#leases.end(seq);
    this.#fill();
  }

  /**
   * A peer has another name. The reader is told if the stream holds a message of that peer, or has told of one that
   * waits.
   */
  renamed(sender: PeerRef): void {
    if (this.#isEnded) return;
    if (this.#leases.holdsOf(sender.peerId)) {
      // A reader that lags needs the newest name only.
      const told = this.#outbox.find(
        ({ event }) =>
          event?.case === "senderRenamed" && event.value.sender?.peerId === sender.peerId,
      );
      if (told === undefined) this.#emit({ event: { case: "senderRenamed", value: { sender } } });
      else told.event = { case: "senderRenamed", value: { sender } };
    }
    if (this.#toldBacklog !== "0") this.#fill();
  }

  /** Why the broker ended the stream; undefined while it is open, or when it ended otherwise. */
  get closedFor(): Closing_Reason | undefined {
    return this.#closing?.reason;
  }

  end(reason: Closing_Reason, detail: string): void {
    if (this.#isEnded) return;
    this.#closing = { reason, detail };
    this.#outbox.length = 0;
    this.#sizes.length = 0;
    this.#outboxBytes = 0;
    this.leave();
  }

  /** Ends the stream without a word, if it has not ended: nobody reads it any more. */
  leave(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#reader.close();
    for (const seq of this.#leases.endAll()) this.#unconfirmed.note(seq, this.#session.instanceId);
    this.#changes.beat();
  }

  *#farewell(closing: { reason: Closing_Reason; detail: string }): Generator<SubscribeResponse> {
    yield create(SubscribeResponseSchema, { event: { case: "closing", value: closing } });
    if (closing.reason === Closing_Reason.SUPERSEDED) {
      throw new BrokerError(ErrorReason.SUPERSEDED, closing.detail);
    }
    if (closing.reason === Closing_Reason.STOPPING) {
      throw new BrokerError(ErrorReason.STOPPING, closing.detail);
    }
  }

  /** Runs one filling at a time; a wake meanwhile makes it run once more. */
  #fill(): void {
    if (this.#isEnded) return;
    this.#fillAgain = true;
    if (this.#filling) return;
    this.#filling = true;
    void this.#fillWhileAsked();
  }

  async #fillWhileAsked(): Promise<void> {
    try {
      while (this.#fillAgain && !this.#isEnded) {
        this.#fillAgain = false;
        const stoppedBy = await this.#lease();
        // Its reader has enough to read before it needs to know what waits.
        if (!this.#isEnded && stoppedBy !== "reader") {
          await this.#tellBacklog(stoppedBy !== "credit");
        }
      }
    } catch (error) {
      if (!this.#isEnded) this.#failure = error;
      this.leave();
    } finally {
      this.#filling = false;
    }
  }

  /** The next event for the reader; the queue is asked for more when there is room again. */
  #takeEvent(): Event | undefined {
    const event = this.#outbox.shift();
    if (event?.event?.case !== "delivery") return event;
    const wasFull = this.#outboxBytes >= maxAheadBytes;
    this.#outboxBytes -= this.#sizes.shift() ?? 0;
    if (wasFull && this.#outboxBytes < maxAheadBytes) this.#fill();
    return event;
  }

  /**
   * Leases what the credit and the outbox allow, so that little is held for a reader that does not read.
   * Resolves to why it stopped: the credit, the reader, or an empty queue.
   */
  async #lease(): Promise<"credit" | "reader" | "queue"> {
    for (;;) {
      const used = this.#leases.used;
      const maxMessages = this.#credit.messages - used.messages;
      const maxBytes = this.#credit.bytes - used.bytes;
      if (maxMessages <= 0 || maxBytes <= 0) return "credit";
      const room = maxAheadBytes - this.#outboxBytes;
      if (room <= 0) return "reader";
      const batch = await translateStoreErrors(() =>
        this.#reader.next({ maxMessages, maxBytes: Math.min(maxBytes, room) }),
      );
      if (batch.length === 0 || this.#isEnded) return "queue";
      for (const queued of batch) await this.#offer(queued);
    }
  }

  /** Hands a message over, unless it has expired, failed too often or is gone. */
  async #offer(queued: QueuedMessage): Promise<void> {
    const { peerId } = this.#session.peer.stored;
    const { message, receipt } = queued;
    const { seq } = receipt;
    if (message.expireTime !== undefined && timestampMs(message.expireTime) <= this.#clock.now()) {
      // What was presented before does not expire: it is offered again.
      const change = { state: ReceiptState.EXPIRED };
      const expired = await this.#receipts.advanceIfKept(peerId, seq, change);
      if (expired?.receipt.state !== ReceiptState.PRESENTED) return;
    }
    const attempts = await this.#countUnconfirmed(receipt);
    if (attempts === undefined) return;
    if (attempts >= maxDeliveryAttempts) {
      const reason = `${attempts} failed attempts; the last: presented and never confirmed`;
      const change = { state: ReceiptState.DEAD_LETTERED, reason };
      if ((await this.#receipts.advanceIfKept(peerId, seq, change)) === undefined) return;
      this.#log.warn(
        { peer: this.#session.peer.stored.name, seq: String(seq) },
        "message dead-lettered",
      );
      return;
    }
    if (this.#isEnded) return;
    const { deliveryId } = this.#leases.begin(queued);
    const { redelivered } = queued;
    this.#sizes.push(queued.sizeBytes);
    this.#outboxBytes += queued.sizeBytes;
    const value = create(DeliverySchema, {
      deliveryId,
      seq,
      attempts,
      redelivered,
      ...this.#presentSender(message),
    });
    value.$unknown = [encodedOnce(message)];
    this.#emit({ event: { case: "delivery", value } });
  }

  #presentSender({ from }: Message): { sender?: PeerRef; senderHost?: string } {
    const peer = from && this.#peerOf(from.peerId);
    if (from === undefined || peer === undefined) return {};
    const { peerId, name } = peer;
    return {
      senderHost: this.#hostElsewhere(peer),
      ...(name === from.name ? {} : { sender: create(PeerRefSchema, { peerId, name }) }),
    };
  }

  /** The host of a peer that is not on the reader's; empty otherwise. */
  #hostElsewhere(peer: StoredPeer | undefined): string {
    const { host = "" } = peer?.profile ?? {};
    return host === this.#session.peer.stored.profile.host ? "" : host;
  }

  /**
   * A presentation that was never confirmed is a failed attempt, once another instance gets the message.
   * Resolves to the failed attempts, or to undefined where the message is gone.
   */
  async #countUnconfirmed({ seq, state, attempts }: Receipt): Promise<number | undefined> {
    const presentedBy = this.#unconfirmed.take(seq, state === ReceiptState.PRESENTED);
    if (presentedBy === undefined || presentedBy === this.#session.instanceId) return attempts;
    const { peerId } = this.#session.peer.stored;
    const counted = await this.#receipts.advanceIfKept(peerId, seq, { failedAttempt: true });
    return counted?.receipt.attempts;
  }

  async #tellBacklog(creditLeft: boolean): Promise<void> {
    const backlog = creditLeft
      ? { unread: 0, senders: [] }
      : await translateStoreErrors(() => this.#reader.backlog());
    const { unread } = backlog;
    const peers = backlog.senders.map(({ peerId }) => this.#peerOf(peerId));
    const senders = backlog.senders.map(({ name }, index) => peers[index]?.name ?? name);
    const senderHosts = peers.map((peer) => this.#hostElsewhere(peer));
    const told = unread === 0 ? "0" : [unread, ...senders, ...senderHosts].join(" ");
    if (told === this.#toldBacklog || this.#isEnded) return;
    this.#toldBacklog = told;
    // A reader that lags needs the newest only.
    if (this.#outbox.at(-1)?.event?.case === "backlog") this.#outbox.pop();
    const value = { unread: BigInt(unread), senders, senderHosts };
    this.#emit({ event: { case: "backlog", value } });
  }

  #emit(event: Event): void {
    this.#outbox.push(event);
    this.#changes.beat();
  }
}
