import { Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../../../src/clock.js";
import { maxDeliveryAttempts } from "../../../src/broker/limits.js";

export interface ModelPeer {
  readonly peerId: string;
  readonly secret: string;
  name: string;
  instance: number;
  hasSession: boolean;
  stream: ModelStream | undefined;
  /** The stream was cut, and the broker may not have noticed yet. */
  isLost: boolean;
  /** What was presented in an ended stream, and by which instance. */
  readonly unconfirmed: Map<ModelDelivery, number>;
  /** Every delivery that was ever made to it, by its delivery id. */
  readonly received: Map<string, ModelDelivery>;
}

export interface ModelStream {
  readonly credit: number;
  readonly leases: Map<string, { delivery: ModelDelivery; presented: boolean }>;
}

export interface ModelMessage {
  readonly messageId: string;
  readonly from: ModelPeer;
  readonly text: string;
  readonly expiresInMs: number;
  readonly expireMs: number;
  readonly answers: ModelMessage | undefined;
  readonly deliveries: Map<ModelPeer, ModelDelivery>;
}

/** One message for one recipient. */
export interface ModelDelivery {
  readonly message: ModelMessage;
  readonly place: number;
  state: ReceiptState;
  confirmedBy: ConfirmedBy;
  attempts: number;
  wasHandedOut: boolean;
  /** Returned: it comes again after a delay, or at once to the next stream. */
  isResting: boolean;
  /** Sent while its recipient's stream was cut: it may have been handed to nobody. */
  mayBeLeased: boolean;
}

/** What Peerline promises, without sockets, disks or concurrency. */
export class Model {
  readonly peers: ModelPeer[] = [];
  readonly messages: ModelMessage[] = [];
  readonly #clock: Clock;
  #places = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  freeName(base: string): string {
    const isTaken = (name: string): boolean => this.peers.some((peer) => peer.name === name);
    if (!isTaken(base)) return base;
    for (let number = 2; ; number++) if (!isTaken(`${base}-${number}`)) return `${base}-${number}`;
  }

  /** Sends a message, or the same again; says for which recipients it is new. */
  send(message: ModelMessage, to: readonly ModelPeer[]): Map<ModelPeer, { isNew: boolean }> {
    if (!this.messages.includes(message)) this.messages.push(message);
    const results = new Map<ModelPeer, { isNew: boolean }>();
    for (const peer of to) {
      if (results.has(peer)) continue;
      results.set(peer, { isNew: !message.deliveries.has(peer) });
      if (!message.deliveries.has(peer)) message.deliveries.set(peer, this.#queue(message, peer));
    }
    if (message.answers !== undefined && results.has(message.answers.from)) this.#answer(message);
    return results;
  }

  openStream(peer: ModelPeer, credit: number): ModelStream {
    this.endStream(peer);
    peer.stream = { credit, leases: new Map() };
    peer.isLost = false;
    return peer.stream;
  }

  endStream(peer: ModelPeer): void {
    for (const { delivery, presented } of peer.stream?.leases.values() ?? []) {
      if (presented) peer.unconfirmed.set(delivery, peer.instance);
    }
    peer.stream = undefined;
    for (const delivery of this.#mailOf(peer)) delivery.isResting = false;
  }

  restart(): void {
    for (const peer of this.peers) {
      this.endStream(peer);
      peer.unconfirmed.clear();
      peer.hasSession = false;
      peer.isLost = false;
    }
  }

  /** Notes a delivery that came; throws where it must not have come. */
  deliver(
    peer: ModelPeer,
    offered: { deliveryId: string; messageId: string; attempts: number; redelivered: boolean },
  ): void {
    const delivery = this.#mailOf(peer).find(
      ({ message }) => message.messageId === offered.messageId,
    );
    const { stream } = peer;
    if (delivery === undefined || stream === undefined) throw new Error("this is another's mail");
    if (!delivery.isResting && this.expectedNext(peer) !== delivery)
      throw new Error("not its turn");
    if (this.#used(stream) >= stream.credit) throw new Error("beyond the credit");
    if (delivery.wasHandedOut && !offered.redelivered) throw new Error("not marked as redelivered");
    if (delivery.attempts !== offered.attempts) throw new Error("attempts are miscounted");
    delivery.isResting = false;
    delivery.wasHandedOut = true;
    delivery.state = Math.max(delivery.state, ReceiptState.LEASED);
    stream.leases.set(offered.deliveryId, { delivery, presented: false });
    peer.received.set(offered.deliveryId, delivery);
  }

  /**
   * The message that must come next; undefined where none must. What ends instead of being offered,
   * ends here.
   */
  expectedNext(peer: ModelPeer): ModelDelivery | undefined {
    const { stream } = peer;
    if (stream === undefined || this.#used(stream) >= stream.credit) return undefined;
    const leased = new Set([...stream.leases.values()].map(({ delivery }) => delivery));
    for (const delivery of this.#mailOf(peer)) {
      if (!isOpen(delivery) || leased.has(delivery) || delivery.isResting) continue;
      if (this.mayExpire(delivery)) {
        delivery.state = ReceiptState.EXPIRED;
        continue;
      }
      const presentedBy = peer.unconfirmed.get(delivery);
      peer.unconfirmed.delete(delivery);
      if (presentedBy !== undefined && presentedBy !== peer.instance) delivery.attempts++;
      if (delivery.attempts < maxDeliveryAttempts) return delivery;
      delivery.state = ReceiptState.DEAD_LETTERED;
    }
    return undefined;
  }

  /** Makes a report; gives the answers that are right: where the message then stands, or why not. */
  report(peer: ModelPeer, deliveryId: string, outcome: Outcome): (ReceiptState | string)[] {
    const delivery = peer.received.get(deliveryId);
    if (delivery === undefined) return ["DELIVERY_NOT_FOUND"];
    const lease = peer.stream?.leases.get(deliveryId);
    if (lease === undefined) {
      const states = this.allowedStates(delivery);
      return states.map((state) => (isKnown(state, outcome) ? state : "DELIVERY_STALE"));
    }
    if (outcome === Outcome.EXPIRED && !this.mayExpire(delivery)) return ["FIELD_INVALID"];
    if (outcome === Outcome.PRESENTED) lease.presented = true;
    else peer.stream?.leases.delete(deliveryId);
    settle(delivery, outcome);
    return [delivery.state];
  }

  /** The states that the receipt may show now: what is past its time may be ended at any moment. */
  allowedStates(delivery: ModelDelivery): ReceiptState[] {
    const states = [delivery.state];
    if (delivery.mayBeLeased && delivery.state === ReceiptState.QUEUED)
      states.push(ReceiptState.LEASED);
    if (this.mayExpire(delivery)) states.push(ReceiptState.EXPIRED);
    return states;
  }

  /** Its time is over, and it was never presented. */
  mayExpire({ message, state }: ModelDelivery): boolean {
    return state <= ReceiptState.LEASED && message.expireMs <= this.#clock.now();
  }

  /** What `viewer` may see, oldest first. */
  visibleTo(viewer: ModelPeer): ModelMessage[] {
    return this.messages.filter(
      ({ from, deliveries }) => from === viewer || deliveries.has(viewer),
    );
  }

  /** How many of each peer's messages expired or were dead-lettered. */
  countBadEnds(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { from, deliveries } of this.messages) {
      const bad = [...deliveries.values()].filter(({ state }) => state >= ReceiptState.EXPIRED);
      if (bad.length > 0) counts.set(from.peerId, (counts.get(from.peerId) ?? 0) + bad.length);
    }
    return counts;
  }

  #mailOf(peer: ModelPeer): ModelDelivery[] {
    return this.messages
      .flatMap(({ deliveries }) => deliveries.get(peer) ?? [])
      .toSorted((a, b) => a.place - b.place);
  }

  #queue(message: ModelMessage, peer: ModelPeer): ModelDelivery {
    return {
      message,
      place: this.#places++,
      state: ReceiptState.QUEUED,
      confirmedBy: ConfirmedBy.UNSPECIFIED,
      attempts: 0,
      wasHandedOut: false,
      isResting: false,
      mayBeLeased: peer.isLost,
    };
  }

  #answer({ from, answers }: ModelMessage): void {
    const answered = answers?.deliveries.get(from);
    if (answered === undefined || answered.state >= ReceiptState.ANSWERED) return;
    answered.state = ReceiptState.ANSWERED;
    answered.confirmedBy ||= ConfirmedBy.REPLY;
    from.unconfirmed.delete(answered);
    for (const [deliveryId, { delivery }] of from.stream?.leases ?? []) {
      if (delivery === answered) from.stream?.leases.delete(deliveryId);
    }
  }

  #used(stream: ModelStream): number {
    return [...stream.leases.values()].filter(({ presented }) => !presented).length;
  }
}

export function isOpen({ state }: ModelDelivery): boolean {
  return state <= ReceiptState.PRESENTED;
}

function settle(delivery: ModelDelivery, outcome: Outcome): void {
  switch (outcome) {
    case Outcome.PRESENTED:
      delivery.state = Math.max(delivery.state, ReceiptState.PRESENTED);
      break;
    case Outcome.RETURNED:
      delivery.attempts++;
      delivery.isResting = true;
      if (delivery.attempts >= maxDeliveryAttempts) delivery.state = ReceiptState.DEAD_LETTERED;
      break;
    case Outcome.REJECTED:
      delivery.state = ReceiptState.DEAD_LETTERED;
      break;
    case Outcome.EXPIRED:
      delivery.state = ReceiptState.EXPIRED;
      break;
    default:
      delivery.state = ReceiptState.CONFIRMED;
      delivery.confirmedBy = ConfirmedBy.EXPLICIT_ACK;
  }
}

/** A report that comes late is fine where it says what is known. */
function isKnown(state: ReceiptState, outcome: Outcome): boolean {
  switch (outcome) {
    case Outcome.PRESENTED:
      return state >= ReceiptState.PRESENTED;
    case Outcome.CONFIRMED:
      return state === ReceiptState.CONFIRMED || state === ReceiptState.ANSWERED;
    case Outcome.RETURNED:
      return state < ReceiptState.CONFIRMED || state === ReceiptState.DEAD_LETTERED;
    case Outcome.REJECTED:
      return state === ReceiptState.DEAD_LETTERED;
    case Outcome.EXPIRED:
      return state === ReceiptState.EXPIRED;
    default:
      return false;
  }
}
