import { CodedError } from "../../coded-error.js";
import type { HistoryStore } from "./history.js";
import type { PeerStore } from "./peers.js";
import type { QueueStore } from "./queues.js";

/**
 * What keeps peers, messages and receipts. The rules of delivery are the core's; a store only
 * remembers, and says no more than it has made durable. None of its parts assumes that this process is the
 * only one over it.
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

  readonly peers: PeerStore;
  readonly queues: QueueStore;
  readonly history: HistoryStore;
}

export interface StoreInfo {
  /** For example `sqlite`. */
  readonly technology: string;
  readonly durability: Durability;
  /** What not every store can; each store names all of them. */
  readonly capabilities: Readonly<Record<CapabilityName, Capability>>;
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
  /** The servers of a distributed engine that keep records, by name; absent where it has none. */
  readonly servers?: readonly StoreServerHealth[];
  /** What it may occupy at most, by the bounds of its engine; absent where it has none. */
  readonly maxBytes?: number;
}

/** One server of a store's engine, as this process sees it now. */
export interface StoreServerHealth {
  readonly name: string;
  /** The connection of this process leads there. */
  readonly connected: boolean;
  /** The others hear of it. */
  readonly online: boolean;
  /** By how many writes its copies are behind, at most. */
  readonly behind: number;
  /** What it decides on now. */
  readonly leads: readonly string[];
}

/**
 * What outlives what, once a call has resolved.
 *
 * - `memory`: nothing outlives the process.
 * - `disk`: it outlives a power cut.
 * - `quorum-disk`: it outlives a power cut of all servers, and the loss of fewer than half of them.
 * - `quorum-memory`: it outlives the loss of fewer than half of the servers, and not a power cut of all at once.
 */
export type Durability = "memory" | "disk" | "quorum-disk" | "quorum-memory";

/**
 * - `several_brokers`: several brokers may serve one store.
 * - `exact_bounds`: the bounds of queues and mail hold exactly. Else they may be passed by what other brokers
 *   are storing at the same moment.
 * - `message_ids_of_sender`: a message id that its sender used for other content is refused whoever the
 *   recipients are. Else it is refused for those that had it.
 * - `shares_of_kept_mail`: a sender's share counts all of its messages that are kept. Else those that are open.
 */
export const capabilityNames = [
  "several_brokers",
  "exact_bounds",
  "message_ids_of_sender",
  "shares_of_kept_mail",
] as const;

export type CapabilityName = (typeof capabilityNames)[number];

export interface Capability {
  readonly has: boolean;
  /** What that means here, as one sentence for people. */
  readonly description: string;
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
