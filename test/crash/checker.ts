import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Arrival, Operation, Report, Return, Send } from "./history.js";

/** A message as the broker has it in the end. */
export interface StoredMessage {
  readonly key: string;
  readonly from: string;
  readonly intact: boolean;
  readonly receipts: readonly { readonly to: string; readonly state: ReceiptState }[];
}

/** What a broker must not do, by what went wrong. */
export const violations = {
  lost: "accepted, then neither presented nor ended",
  phantom: "nobody sent it, or not so, or not to this peer, or it was refused",
  repeated: "offered or presented twice without `redelivered`",
  revived: "confirmed, then offered again",
  reordered: "first deliveries of one sender out of order",
  duplicated: "one message stored twice",
  premature: "confirmed by the broker, and never by its recipient",
  another: "came back under another name, or as another peer",
  unsettled: "still open, or less than confirmed, when all was read",
} as const;

export type ViolationKind = keyof typeof violations;

export interface Violation {
  readonly kind: ViolationKind;
  readonly key: string;
  readonly peer: string;
}

export interface Verdict {
  readonly counts: Counts;
  readonly violations: readonly Violation[];
}

/** Messages count once for each recipient, except `accepted`. */
export interface Counts {
  accepted: number;
  unknownAttempts: number;
  delivered: number;
  presented: number;
  presentedAgain: number;
  confirmed: number;
  ended: number;
  returned: number;
}

/**
 * Judges a history. The operations of one peer have to be in their order; those of different peers
 * need not be.
 *
 * 1. Follow the operations, and note what can be seen at once: what is offered again.
 * 2. Compare what was sent with what arrived.
 * 3. Compare both with what the broker has in the end, when everything has been read.
 */
export function check(history: Iterable<Operation>, stored: Iterable<StoredMessage>): Verdict {
  const checker = new Checker();
  for (const operation of history) checker.follow(operation);
  checker.compareArrivals();
  checker.compareStored(stored);
  return { counts: checker.counts, violations: checker.found };
}

interface Sent {
  readonly sender: string;
  readonly to: Set<string>;
  readonly accepted: Set<string>;
  /** When it was first tried, and when the broker first said yes, on the clock of the history. */
  readonly invokedAt: number;
  okAt: number;
  /** Attempts that are not known to have failed. */
  possible: number;
}

interface Seen {
  readonly key: string;
  readonly peer: string;
  from: string;
  intact: boolean;
  delivered: boolean;
  presented: boolean;
  confirming: boolean;
  confirmed: boolean;
}

class Checker {
  readonly found: Violation[] = [];
  readonly counts: Counts = {
    accepted: 0,
    unknownAttempts: 0,
    delivered: 0,
    presented: 0,
    presentedAgain: 0,
    confirmed: 0,
    ended: 0,
    returned: 0,
  };
  readonly #sent = new Map<string, Sent>();
  readonly #seen = new Map<string, Seen>();
  /** Messages in the order of their first deliveries, by sender and recipient. */
  readonly #firsts = new Map<string, Seen[]>();
  /** Who had a peer's id first. */
  readonly #owners = new Map<string, string>();
  readonly #ids = new Map<string, string>();
  #now = 0;

  follow(operation: Operation): void {
    this.#now++;
    if (operation.act === "send") this.#followSend(operation);
    else if (operation.act === "report") this.#followReport(operation);
    else if (operation.act === "return") this.#followReturn(operation);
    else this.#followArrival(operation);
  }

  compareArrivals(): void {
    for (const seen of this.#seen.values()) {
      if (this.#isPhantom(seen.key, seen)) this.#violate("phantom", seen.key, seen.peer);
    }
    for (const firsts of this.#firsts.values()) this.#compareOrder(firsts);
  }

  compareStored(stored: Iterable<StoredMessage>): void {
    const ended = new Set<string>();
    const known = new Set<string>();
    for (const { key, from, intact, receipts } of stored) {
      for (const { to, state } of receipts) {
        const place = placeOf(key, to);
        if (this.#isPhantom(key, { peer: to, from, intact })) this.#violate("phantom", key, to);
        if (known.has(place)) this.#violate("duplicated", key, to);
        known.add(place);
        if (isEnd(state)) ended.add(place);
        this.#compareReceipt(key, to, state);
      }
    }
    this.counts.ended = ended.size;
    for (const [key, { accepted }] of this.#sent) {
      for (const peer of accepted) {
        const place = placeOf(key, peer);
        const wasPresented = this.#seen.get(place)?.presented === true;
        if (!known.has(place) || !(wasPresented || ended.has(place)))
          this.#violate("lost", key, peer);
      }
    }
  }

  #followSend({ phase, peer, key, to }: Send): void {
    const sent = this.#sent.get(key) ?? {
      sender: peer,
      to: new Set(to),
      accepted: new Set(),
      invokedAt: this.#now,
      okAt: Number.POSITIVE_INFINITY,
      possible: 0,
    };
    this.#sent.set(key, sent);
    if (phase === "invoke") sent.possible++;
    if (phase === "fail") sent.possible--;
    if (phase === "unknown") this.counts.unknownAttempts++;
    if (phase !== "ok") return;
    if (sent.accepted.size === 0) this.counts.accepted++;
    for (const recipient of to) sent.accepted.add(recipient);
    sent.okAt = Math.min(sent.okAt, this.#now);
  }

  #followArrival({ act, peer, key, from, redelivered, intact }: Arrival): void {
    const seen = this.#seenBy(peer, key, from);
    seen.from ||= from;
    seen.intact &&= intact && from === seen.from;
    if (seen.confirmed) this.#violate("revived", key, peer);
    const before = act === "deliver" ? seen.delivered : seen.presented;
    if (before && !redelivered) this.#violate("repeated", key, peer);
    if (!seen.delivered && !seen.presented && !redelivered) this.#noteFirst(seen);
    if (act === "deliver") {
      seen.delivered = true;
      this.counts.delivered++;
    } else {
      if (before) this.counts.presentedAgain++;
      else this.counts.presented++;
      seen.presented = true;
    }
  }

  #followReport({ phase, peer, key, outcome }: Report): void {
    if (outcome !== "confirmed") return;
    const seen = this.#seenBy(peer, key, "");
    if (phase === "invoke") seen.confirming = true;
    if (phase !== "ok") return;
    if (!seen.confirmed) this.counts.confirmed++;
    seen.confirmed = true;
  }

  #followReturn({ peer, key, as, id }: Return): void {
    this.counts.returned++;
    let isAnother = as !== peer;
    if (id !== undefined) {
      if (!this.#owners.has(id)) this.#owners.set(id, peer);
      if (!this.#ids.has(peer)) this.#ids.set(peer, id);
      isAnother ||= this.#owners.get(id) !== peer || this.#ids.get(peer) !== id;
    }
    if (isAnother) this.#violate("another", key, peer);
  }

  #seenBy(peer: string, key: string, from: string): Seen {
    const place = placeOf(key, peer);
    const seen = this.#seen.get(place) ?? {
      key,
      peer,
      from,
      intact: true,
      delivered: false,
      presented: false,
      confirming: false,
      confirmed: false,
    };
    this.#seen.set(place, seen);
    return seen;
  }

  #noteFirst(seen: Seen): void {
    const lane = `${seen.from} ${seen.peer}`;
    const firsts = this.#firsts.get(lane) ?? [];
    firsts.push(seen);
    this.#firsts.set(lane, firsts);
  }

  /** One that had been accepted before another was even tried comes before it. */
  #compareOrder(firsts: readonly Seen[]): void {
    let newestInvokedAt = 0;
    for (const { key, peer } of firsts) {
      const sent = this.#sent.get(key);
      if (sent === undefined) continue;
      if (sent.okAt < newestInvokedAt) this.#violate("reordered", key, peer);
      newestInvokedAt = Math.max(newestInvokedAt, sent.invokedAt);
    }
  }

  #isPhantom(key: string, seen: { peer: string; from: string; intact: boolean }): boolean {
    const sent = this.#sent.get(key);
    if (sent === undefined || sent.possible === 0) return true;
    return sent.sender !== seen.from || !sent.to.has(seen.peer) || !seen.intact;
  }

  #compareReceipt(key: string, peer: string, state: ReceiptState): void {
    const seen = this.#seen.get(placeOf(key, peer));
    if (isConfirmed(state)) {
      if (seen?.confirming !== true) this.#violate("premature", key, peer);
    } else if (!isEnd(state) || seen?.confirmed === true) {
      this.#violate("unsettled", key, peer);
    }
  }

  #violate(kind: ViolationKind, key: string, peer: string): void {
    this.found.push({ kind, key, peer });
  }
}

function placeOf(key: string, peer: string): string {
  return `${key} ${peer}`;
}

function isConfirmed(state: ReceiptState): boolean {
  return state === ReceiptState.CONFIRMED || state === ReceiptState.ANSWERED;
}

function isEnd(state: ReceiptState): boolean {
  return state === ReceiptState.EXPIRED || state === ReceiptState.DEAD_LETTERED;
}
