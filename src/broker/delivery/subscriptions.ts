import { create } from "@bufbuild/protobuf";
import {
  Closing_Reason,
  SubscribeResponseSchema,
  type Ack,
  type SubscribeRequest,
  type SubscribeResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import type { Core } from "../core.js";
import { refTo } from "../peers/directory.js";
import { invalidField, requireReach } from "../fields.js";
import {
  defaultCreditBytes,
  defaultCreditMessages,
  maxCreditBytes,
  maxCreditMessages,
} from "../limits.js";
import type { Session } from "../peers/sessions.js";
import { Subscription } from "./subscription.js";
import { Unconfirmed } from "./unconfirmed.js";

type Parts = Pick<Core, "store" | "directory" | "sessions" | "receipts" | "clock" | "log">;

/** The open streams: at most one for each peer. */
export class Subscriptions {
  readonly #core: Parts;
  readonly #open = new Map<string, Subscription>();
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  #stopping = false;

  constructor(core: Parts) {
    this.#core = core;
    core.directory.onStored((peer, before) => {
      if (before === undefined || before.name === peer.stored.name) return;
      const sender = refTo(peer);
      for (const subscription of this.#open.values()) subscription.renamed(sender);
    });
  }

  /** Opens the session's stream; the peer's former one ends. The first event is `started`. */
  async *subscribe(
    session: Session,
    request: SubscribeRequest,
    signal: AbortSignal,
  ): AsyncGenerator<SubscribeResponse> {
    const credit = readCredit(request);
    const reach = request.reach === Reach.UNSPECIFIED ? Reach.NEXT_TURN : request.reach;
    requireReach(reach);
    const { peer } = session;
    const { peerId } = peer.stored;
    const subscription = new Subscription({
      ...this.#core,
      session,
      credit,
      unconfirmed: this.#unconfirmedOf(session),
      peerOf: (id) => this.#core.directory.get(id)?.stored,
    });
    this.#core.sessions.attach(session, subscription, reach);
    this.#open.set(peerId, subscription);
    try {
      this.#remember(session, session.instanceId);
      yield await this.#started(session, credit, subscription);
      yield* subscription.events(signal);
    } finally {
      subscription.leave();
      if (this.#open.get(peerId) === subscription) this.#open.delete(peerId);
      const unregistered = subscription.closedFor === Closing_Reason.UNREGISTERED;
      this.#core.sessions.detach(session, subscription, unregistered);
      if (!this.#stopping && session.stream === undefined) this.#remember(session, "");
      // A newer stream goes on with the same map.
      const isLast = !this.#open.has(peerId);
      if (isLast && this.#unconfirmed.get(peerId)?.isEmpty === true)
        this.#unconfirmed.delete(peerId);
      this.#core.log.info({ peer: peer.stored.name, epoch: session.epoch }, "stream closed");
    }
  }

  /** Carries out a report if a stream of the peer holds the lease; undefined otherwise. */
  async report(peerId: string, seq: bigint, ack: Ack): Promise<ReceiptState | undefined> {
    return this.#open.get(peerId)?.report(seq, ack);
  }

  /** A live session holds the message under a lease, or may do so at another broker. */
  holds(peerId: string, seq: bigint): boolean {
    const own = this.#open.get(peerId);
    if (own !== undefined) return own.holds(seq);
    const peer = this.#core.directory.get(peerId);
    return peer !== undefined && this.#core.sessions.elsewhereOf(peer)?.online === true;
  }

  /** A message was settled by other means than a report. */
  settle(peerId: string, seq: bigint): void {
    this.#unconfirmed.get(peerId)?.settle(seq);
    this.#open.get(peerId)?.settle(seq);
  }

  /** From now on streams end because the broker ends: their instances are expected back. */
  stop(): void {
    this.#stopping = true;
  }

  async #started(
    session: Session,
    credit: { messages: number; bytes: number },
    subscription: Subscription,
  ): Promise<SubscribeResponse> {
    // Both are read in one turn of the store.
    const [peer, open] = await Promise.all([
      this.#core.directory.describeOne(session.peer),
      subscription.countOpen(),
    ]);
    const value = {
      peer,
      epoch: BigInt(session.epoch),
      maxMessages: credit.messages,
      maxBytes: BigInt(credit.bytes),
      openMessages: BigInt(open),
    };
    return create(SubscribeResponseSchema, { event: { case: "started", value } });
  }

  /** Records, in the background, which instance is live, for a broker that has to start anew. */
  #remember(session: Session, instanceId: string): void {
    const { peer } = session;
    const change = { instanceId, lastSeenMs: this.#core.clock.now() };
    this.#core.directory
      .updateIf(
        peer,
        (stored) =>
          stored.epoch === session.epoch &&
          stored.instanceId !== instanceId &&
          this.#core.directory.get(stored.peerId) === peer,
        change,
      )
      .catch((error: unknown) => {
        this.#core.log.warn(
          { peer: peer.stored.name, err: error },
          "could not record when the peer was seen",
        );
      });
  }

  #unconfirmedOf({ peer, epoch, instanceElsewhere }: Session): Unconfirmed {
    const { peerId } = peer.stored;
    const known = this.#unconfirmed.get(peerId);
    // What was known here is of the time before another broker had the peer's session.
    const isKnown = known !== undefined && (instanceElsewhere === "" || known.sinceEpoch >= epoch);
    if (isKnown) return known;
    const unconfirmed = new Unconfirmed(epoch, instanceElsewhere);
    this.#unconfirmed.set(peerId, unconfirmed);
    return unconfirmed;
  }
}

function readCredit(request: SubscribeRequest): { messages: number; bytes: number } {
  const messages = request.maxMessages || defaultCreditMessages;
  if (messages > maxCreditMessages) {
    throw invalidField("max_messages", `max_messages must be at most ${maxCreditMessages}`);
  }
  const bytes = Number(request.maxBytes) || defaultCreditBytes;
  if (bytes > maxCreditBytes) {
    throw invalidField("max_bytes", `max_bytes must be at most ${maxCreditBytes}`);
  }
  return { messages, bytes };
}
