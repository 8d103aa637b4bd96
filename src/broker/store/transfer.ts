import type { Receipt } from "../../../gen/peerline/v1/message_pb.js";
import type { StoredEnrolment, StoredMachine, StoredPeer } from "./peers.js";
import type { Store } from "./store.js";

/** A store whose records can be moved to another one, of whatever technology. Brokers do without this part. */
export interface MovableStore extends Store {
  readonly records: RecordStore;
}

/**
 * Whole records, as they are kept: no call of the other parts gives or takes them so. Nobody serves the
 * store meanwhile. What a session has for its life, such as a presence, is no record.
 */
export interface RecordStore {
  /**
   * All records in pages: peers, machines, enrolments, then deliveries in the order of their seqs. A
   * damaged message is left out, and told to `leftOut` in words. Reading changes nothing.
   */
  export(leftOut: (words: string) => void): AsyncIterable<readonly StoreRecord[]>;

  /**
   * Adds records, in the order of an export, page after page. Bounds of queues and mail do not count, and
   * nobody is told. Times, states and revisions stay. A seq stays, too, where the technology does not give
   * the numbers itself. Else a new one is given, and the order of the seqs stays. FULL; CONFLICT where one is there already.
   */
  import(records: readonly StoreRecord[]): Promise<void>;
}

export type StoreRecord =
  | { readonly kind: "peer"; readonly peer: StoredPeer }
  | { readonly kind: "machine"; readonly machine: StoredMachine }
  | { readonly kind: "enrolment"; readonly enrolment: StoredEnrolment }
  | { readonly kind: "delivery"; readonly delivery: StoredDelivery };

/** One message for one recipient. */
export interface StoredDelivery {
  /** The encoded Message: the same bytes for each of its recipients. */
  readonly body: Uint8Array;
  /** As of `Draft`. */
  readonly fingerprint: string;
  readonly receipt: Receipt;
  /** It came back from the dead letters, so that it may have been handed out before. */
  readonly redriven: boolean;
}
