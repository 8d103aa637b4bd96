import type {
  Message,
  MessageRecord,
  Receipt,
  ReceiptState,
} from "../../../gen/peerline/v1/message_pb.js";
import type { AdvancedReceipt } from "./queues.js";

/** What became of messages: receipts, the messages that are kept, and what ends by time. */
export interface HistoryStore {
  /**
   * Tells what is accepted and what moves from now on, whoever did it, and the caller's own, too. Of one
   * delivery the acceptance is told first, and each move once, in their order; moves that follow each other
   * closely may be told as the last of them.
   */
  watch(listener: HistoryListener): Disposable;

  /** The receipt of one delivery; undefined where there is none; DATA_LOSS if its message is damaged. */
  getReceipt(peerId: string, seq: bigint): Promise<AdvancedReceipt | undefined>;

  /**
   * Messages whose id is, or ends with, `messageId`; a suffix has at least 8 characters. The sender is
   * one of `senders`: peer ids, or names as the messages have them; empty: anyone. The sender or one
   * recipient is `viewer`; empty: anyone. Oldest first, at most `limit`. Receipts of all recipients.
   * DATA_LOSS if one of them is damaged.
   */
  find(query: {
    messageId: string;
    senders: readonly string[];
    viewer: string;
    limit: number;
  }): Promise<MessageRecord[]>;

  /**
   * Messages, newest first. Reading moves nothing. Receipts of all recipients. Damaged messages are
   * left out, so that a page may hold fewer than asked for and not be the last.
   */
  list(query: HistoryQuery): Promise<HistoryPage>;

  /**
   * Deliveries that were never presented (QUEUED or LEASED) and whose expire time has passed, the
   * longest past first; at most `limit`, from after the one given as `after`.
   */
  listExpired(query: { after: ExpiryKey | undefined; limit: number }): Promise<ExpiryKey[]>;

  /** When the next delivery that was never presented expires, in ms; undefined when none waits. */
  nextExpiryMs(): Promise<number | undefined>;

  /**
   * Removes messages that the peer sent, in the order of acceptance from the one after `after` on. With
   * `waiting` it removes only deliveries that were never presented, and a message with its last
   * delivery. Watchers are told of those that were never presented as DEAD_LETTERED for this reason. Looks at
   * a bounded number; `next` says where to go on, undefined at the end.
   */
  purge(query: {
    from: string;
    waiting: boolean;
    after: number;
    reason: string;
  }): Promise<{ removed: AdvancedReceipt[]; next: number | undefined }>;
}

/** Hears of messages. It throws nothing. */
export interface HistoryListener {
  /** For these recipients, whose receipts are QUEUED. A message of several may be told in parts. */
  accepted(message: Message, receipts: Receipt[]): void;
  moved(moved: Omit<AdvancedReceipt, "moved">): void;
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
