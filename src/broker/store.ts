import type {
  Message,
  MessageRecord,
  PeerRef,
  Receipt,
  Urgency,
} from "../../gen/peerline/v1/message_pb.js";
import type { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { MachineScope } from "../../gen/peerline/v1/machine_pb.js";
import type { PeerKind, Profile } from "../../gen/peerline/v1/peer_pb.js";
import type { JsonObject } from "@bufbuild/protobuf";
import { CodedError } from "../coded-error.js";

/**
 * What keeps peers, messages and receipts. The rules of delivery are the core's; a store only
 * remembers, and says no more than it has made durable.
 *
 * - Each call is atomic for one record: one peer, or one message for one recipient. `enrol` is atomic as
 *   a whole. There is no other transaction across records or calls. A crash between two leaves the first
 *   done.
 * - A promise that resolves means durable in the sense of `info.durability`. One that rejects with
 *   `UNAVAILABLE` may or may not have happened: every call may be repeated.
 * - Order exists within one queue only; there is no sequence over all queues.
 * - Times on records are the store's own.
 * - Errors are StoreError; anything else is a defect.
 */
export interface Store extends AsyncDisposable {
  readonly info: StoreInfo;

  /** How the store is now. Resolves in any state of it, also when it is closed. */
  health(): Promise<StoreHealth>;

  /** Every peer. The core reads them once, at start. */
  loadPeers(): Promise<StoredPeer[]>;

  /**
   * Adds a peer. NAME_TAKEN or SECRET_TAKEN when another has its name or secret hash. Done again before
   * the peer was changed it resolves; after that it is CONFLICT.
   */
  createPeer(peer: StoredPeer): Promise<void>;

  /**
   * Replaces a peer's record if its stored revision is `peer.revision - 1`. NAME_TAKEN; CONFLICT for
   * another revision; NOT_FOUND.
   */
  updatePeer(peer: StoredPeer): Promise<void>;

  /**
   * Removes a peer that holds no open mail and neither sent nor received any message that is still
   * kept. Resolves to false, with nothing changed, where it does.
   */
  removePeer(peerId: string): Promise<boolean>;

  /**
   * Removes a peer that holds no open mail; what it sent and received stays. Resolves to false, with
   * nothing changed, where it does hold some. Of a peer that is not there it resolves to true.
   */
  forgetPeer(peerId: string): Promise<boolean>;

  /** Every machine, those that were revoked too. The core reads them once, at start. */
  loadMachines(): Promise<StoredMachine[]>;

  /**
   * Writes a machine's record: a new one at revision 1, otherwise in place of the revision before. Done
   * again with the same record it resolves. NAME_TAKEN or SECRET_TAKEN when another has its name or
   * credential hash; CONFLICT for another revision.
   */
  putMachine(machine: StoredMachine): Promise<void>;

  /** Removes a machine's record. Of one that is not there it resolves, too. */
  removeMachine(machineId: string): Promise<void>;

  /**
   * Keeps a token to enrol with, and forgets those whose time was over for a day. Resolves to false, with
   * nothing kept, where `maximum` are kept already.
   */
  createEnrolment(enrolment: StoredEnrolment, maximum: number): Promise<boolean>;

  /** The tokens with which machines may still enrol, by the store's clock, the first to end first. */
  listEnrolments(): Promise<StoredEnrolment[]>;

  /** Forgets the tokens whose uses are not all taken. Resolves to how many of them `listEnrolments` had. */
  revokeEnrolments(): Promise<number>;

  /**
   * Takes one use of the token of this hash, by the store's clock, and keeps the machine with the token's
   * scope, at revision 1: both or neither. A revoked machine of the same name is removed in the same step;
   * NAME_TAKEN where one that is let in has it. Where a machine that is let in has the credential, that one
   * is the result, and nothing is taken: so a repeat changes nothing. SECRET_TAKEN where a revoked one has it.
   */
  enrol(tokenHash: string, newcomer: StoredNewcomer): Promise<EnrolmentUse>;

  /** The open messages of a peer's queue, oldest first, at most `limit`. Reading moves nothing. */
  listOpen(query: { peerId: string; limit: number }): Promise<bigint[]>;

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
   * Opens a peer's queue for reading. At most one reader is open for each queue: opening another
   * closes the first. A new reader starts from the oldest open message.
   *
   * @param listener is called, never from inside a call of the reader.
   */
  openQueue(peerId: string, listener: QueueListener): QueueReader;

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

  /**
   * Removes messages that the peer sent, in the order of acceptance from the one after `after` on. With
   * `waiting` it removes only deliveries that were never presented, and a message with its last
   * delivery. Looks at a bounded number; `next` says where to go on, undefined at the end.
   */
  purge(query: {
    from: string;
    waiting: boolean;
    after: number;
  }): Promise<{ removed: AdvancedReceipt[]; next: number | undefined }>;

  /**
   * Deliveries that were never presented (QUEUED or LEASED) and whose expire time has passed, the
   * longest past first; at most `limit`, from after the one given as `after`.
   */
  listExpired(query: { after: ExpiryKey | undefined; limit: number }): Promise<ExpiryKey[]>;

  /** When the next delivery that was never presented expires, in ms; undefined when none waits. */
  nextExpiryMs(): Promise<number | undefined>;

  /** The receipt of one delivery; undefined where there is none; DATA_LOSS if its message is damaged. */
  getReceipt(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined>;

  /**
   * Messages whose id is, or ends with, `messageId`; a suffix has at least 8 characters. The sender is
   * one of `senders`: peer ids, or names as the messages have them; empty: anyone. The sender or one
   * recipient is `viewer`; empty: anyone. Oldest first, at most `limit`. Receipts of all recipients.
   * DATA_LOSS if one of them is damaged.
   */
  findMessages(query: {
    messageId: string;
    senders: readonly string[];
    viewer: string;
    limit: number;
  }): Promise<MessageRecord[]>;

  /**
   * Messages, newest first. Reading moves nothing. Receipts of all recipients. Damaged messages are
   * left out, so that a page may hold fewer than asked for and not be the last.
   */
  listMessages(query: HistoryQuery): Promise<HistoryPage>;
}

export interface StoreInfo {
  /** For example `sqlite`. */
  readonly technology: string;
  readonly durability: "memory" | "disk";
  /** How long a repeated message id is known, in milliseconds. */
  readonly dedupeWindowMs: number;
  /** The bounds that the store enforces, named as in GetServerInfo: `queue_messages`, `queue_bytes`. */
  readonly limits: readonly { name: string; maximum: number; description: string }[];
}

export interface StoreHealth {
  /** It takes messages. */
  readonly writable: boolean;
  /** Why it does not, as one sentence for people; empty while it does. */
  readonly problem: string;
  /** What it occupies; 0 when it does not answer. */
  readonly bytes: number;
  /** How much of that it has free for what comes. */
  readonly freeBytes: number;
  /** Messages that were found damaged, they or their receipts, since it was opened. */
  readonly damagedMessages: number;
  /** What was found damaged since then and what became of it, in words; the last `maxDamagesTold`. */
  readonly damages: readonly string[];
}

export interface StoredPeer {
  readonly peerId: string;
  readonly name: string;
  readonly kind: PeerKind;
  readonly profile: Profile;
  readonly createTimeMs: number;
  readonly lastSeenMs: number;
  /** SHA-256 of the peer's secret, lower-case hex. */
  readonly secretHash: string;
  /** The name that the peer's first name was derived from, and which of its kind it was (1, 2, …). */
  readonly baseName: string;
  readonly number: number;
  /** Of the newest session; 0 before the first. */
  readonly epoch: number;
  /** The instance whose session was live when this record was written; empty when none was. */
  readonly instanceId: string;
  /** Names that it had before, and until when; newest last; bounded by the core. */
  readonly formerNames: readonly { name: string; untilMs: number }[];
  /** Until when it may not send; 0 while it may, `Number.MAX_SAFE_INTEGER` without an end. */
  readonly mutedUntilMs: number;
  /** Conversations that the peer was bound to, newest last; bounded by the core. */
  readonly conversations: readonly { id: string; boundAtMs: number }[];
  /** 1 at creation, then one more with each update. */
  readonly revision: number;
}

/** Another computer, or another home, that was let in. */
export interface StoredMachine {
  readonly machineId: string;
  readonly name: string;
  readonly scope: MachineScope;
  /** SHA-256 of its credential, lower-case hex. */
  readonly credentialHash: string;
  readonly createTimeMs: number;
  readonly lastUseMs: number;
  /** The IP address from which it was used last. */
  readonly lastUseAddress: string;
  /** When it was revoked; 0 while it is let in. */
  readonly revokeTimeMs: number;
  /** 1 at first, then one more with each change. */
  readonly revision: number;
}

/** A machine that is to be let in. */
export type StoredNewcomer = Omit<StoredMachine, "scope" | "revokeTimeMs" | "revision">;

/** A token with which machines may enrol. */
export interface StoredEnrolment {
  /** SHA-256 of the token, lower-case hex. */
  readonly tokenHash: string;
  /** What they may do. */
  readonly scope: MachineScope;
  readonly usesLeft: number;
  readonly expireTimeMs: number;
}

export type EnrolmentUse =
  | { readonly state: "taken"; readonly machine: StoredMachine }
  /** There is no such token, its uses are taken, or its time is over. */
  | { readonly state: "unknown" | "used" | "expired" };

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

/** Which delivery expires when. */
export interface ExpiryKey {
  readonly peerId: string;
  readonly seq: bigint;
  readonly expireTimeMs: number;
}

export interface HistoryQuery {
  /** Only what this peer sent or received; empty for any. */
  readonly viewer: string;
  /** Only what this peer, too, sent or received; empty for any. */
  readonly peer: string;
  readonly threadId: string;
  /** Only messages with a receipt in this state that the viewer may see: its own, all as the sender; UNSPECIFIED for any. */
  readonly state: ReceiptState;
  readonly limit: number;
  readonly maxBytes: number;
  /** `next` of the page before; empty for the first. Opaque; INVALID_CURSOR when it is not one of this store's. */
  readonly cursor: string;
}

export interface HistoryPage {
  readonly records: MessageRecord[];
  /** Empty on the last page. */
  readonly next: string;
}

/** Why a store said no. */
export type StoreErrorCode =
  | "NAME_TAKEN"
  | "SECRET_TAKEN"
  | "CONFLICT"
  | "NOT_FOUND"
  | "MESSAGE_ID_REUSED"
  /** The recipient's queue has reached its bound, or the sender its share of it. */
  | "QUEUE_FULL"
  /** All messages that are kept have reached their bound, or the sender its share of it. */
  | "MAIL_FULL"
  /** No room: disk full, quota. Reports and reads still work. */
  | "FULL"
  /** Not now: input or output failed, or the engine does not answer. */
  | "UNAVAILABLE"
  /** What was stored can no longer be read whole. */
  | "DATA_LOSS"
  | "INVALID_CURSOR"
  /** The store was written by a newer version. */
  | "NEWER_VERSION"
  /** Another process holds the store. */
  | "LOCKED";

/** A bound as `StoreInfo.limits` states it. */
export interface Bound {
  readonly limit: string;
  readonly maximum: number;
}

export class StoreError extends CodedError<StoreErrorCode> {
  override readonly name = "StoreError";
  /** What is used up, where it is a bound: of QUEUE_FULL and MAIL_FULL. */
  readonly bound: Bound | undefined;

  constructor(
    code: StoreErrorCode,
    message: string,
    options: { cause?: unknown; bound?: Bound | undefined } = {},
  ) {
    super(code, message, options);
    this.bound = options.bound;
  }
}
