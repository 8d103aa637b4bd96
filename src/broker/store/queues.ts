import type { JsonObject } from "@bufbuild/protobuf";
import type {
  ConfirmedBy,
  Message,
  PeerRef,
  Receipt,
  ReceiptState,
  Urgency,
} from "../../../gen/peerline/v1/message_pb.js";
import type { StoreError } from "./store.js";

/** Messages on their way: accepted, handed out under a lease, settled. */
export interface QueueStore {
  /**
   * Stores one message for each recipient, and stamps it. The results are in the recipients' order;
   * one that fails does not stop the others. (`draft.from`, `draft.messageId`) met again for a
   * recipient within the dedupe window changes nothing and is a duplicate; with another fingerprint it
   * is MESSAGE_ID_REUSED for every recipient. A message that no recipient accepted is not kept. A
   * sender may have a quarter of what is free and one message, in a queue and of all that is kept. So
   * there is room for others. New messages of one sender keep their order in each queue. A message for
   * a reader that waits with credit may be LEASED in the same step. Its result says QUEUED all the same.
   */
  enqueue(draft: Draft, recipients: readonly PeerRef[]): Promise<EnqueueResult[]>;

  /**
   * Opens a peer's queue for reading. At most one reader is open for each queue, that of the highest epoch:
   * opening another closes the first, and one of a lower epoch is closed from the start. A new reader starts
   * from the oldest open message.
   *
   * @param of.epoch of the session that reads.
   * @param listener is called, never from inside a call of the reader.
   */
  open(of: { peerId: string; epoch: number }, listener: QueueListener): QueueReader;

  /** The open messages of a peer's queue, oldest first, at most `limit`. Reading moves nothing. */
  listOpen(query: { peerId: string; limit: number }): Promise<bigint[]>;

  /** How many messages of each peer have not been presented (state QUEUED or LEASED). Peers with none may be absent. */
  countWaiting(peerIds: readonly string[]): Promise<Map<string, number>>;

  /**
   * Moves a receipt up the ladder. A rung at or below the present one changes nothing. CONFIRMED,
   * ANSWERED, EXPIRED and DEAD_LETTERED close the message for its queue: no reader offers it again.
   * EXPIRED ends messages that were not presented, DEAD_LETTERED open ones; nothing moves after them. The first
   * `confirmedBy` stays. Works on a damaged message, too. Resolves to the receipt as it then stands;
   * NOT_FOUND.
   */
  advance(peerId: string, seq: bigint, change: ReceiptChange): Promise<AdvancedReceipt>;

  /**
   * Puts a DEAD_LETTERED message back into its queue: QUEUED, no attempts, no times but the first, and
   * readers are woken. NOT_FOUND where it is not dead-lettered; QUEUE_FULL.
   */
  redrive(peerId: string, seq: bigint): Promise<AdvancedReceipt>;

  /** Removes a DEAD_LETTERED delivery, and its message with the last one. NOT_FOUND where it is not dead-lettered. */
  drop(peerId: string, seq: bigint): Promise<void>;
}

/** A message before it is accepted. */
export interface Draft {
  readonly messageId: string;
  readonly from: PeerRef;
  /** All recipients of the call. */
  readonly to: readonly PeerRef[];
  readonly text: string;
  readonly data: JsonObject | undefined;
  readonly threadId: string;
  readonly inReplyTo: string;
  readonly urgency: Urgency;
  readonly expiresInMs: number;
  /** SHA-256 of all that makes two sends the same, lower-case hex. */
  readonly fingerprint: string;
}

export type EnqueueResult =
  | {
      readonly ok: true;
      readonly duplicate: boolean;
      readonly message: Message;
      readonly receipt: Receipt;
    }
  | { readonly ok: false; readonly error: StoreError };

export interface QueueListener {
  /** `next` may have more. */
  wake(): void;
  /** `next` met a message whose stored bytes are damaged: it is dead-lettered now. */
  damaged(deadLettered: AdvancedReceipt): void;
}

export interface QueueReader {
  /**
   * The oldest open messages that this reader has not handed out, at most `maxMessages` and
   * `maxBytes` (of encoded messages; the first one is let through whatever its size). Empty when there
   * is none now: `wake` then tells when that changes, and the reader waits with this credit until then.
   * Each is LEASED, durably, before it is returned.
   * Calls do not overlap. A message whose stored bytes are damaged is skipped, dead-lettered
   * and told to the listener.
   */
  next(credit: { maxMessages: number; maxBytes: number }): Promise<QueuedMessage[]>;

  /** What `next` would hand out if it had unlimited credit. */
  backlog(): Promise<QueueBacklog>;

  /** Lets `next` hand out an open message again, not before `delayMs` have passed. */
  giveBack(seq: bigint, delayMs: number): void;

  /**
   * Ends the reader: what it handed out and is still open is offered to the next one. A call under way
   * and every later one then gives nothing, and `wake` is not called any more. Idempotent.
   */
  close(): void;
}

export interface QueueBacklog {
  readonly unread: number;
  /** The first 8 distinct ones, under the names they had, oldest message first. */
  readonly senders: readonly { readonly peerId: string; readonly name: string }[];
}

export interface QueuedMessage {
  readonly message: Message;
  readonly receipt: Receipt;
  /** Encoded size, as it counts against `maxBytes`. */
  readonly sizeBytes: number;
  /** It may have been handed out before, by this reader or an earlier one. */
  readonly redelivered: boolean;
}

export interface ReceiptChange {
  /** The rung to reach; absent: only `failedAttempt`. */
  readonly state?: ReceiptState;
  readonly confirmedBy?: ConfirmedBy;
  /** Why it was dead-lettered. */
  readonly reason?: string;
  /** Counts one failed attempt, if the message is open. */
  readonly failedAttempt?: boolean;
}

export interface AdvancedReceipt {
  readonly from: PeerRef;
  readonly messageId: string;
  readonly receipt: Receipt;
  /** This call changed the receipt's state. */
  readonly moved: boolean;
}
