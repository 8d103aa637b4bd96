import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import type { HeldMessage } from "../client/held-message.js";
import type { Inbox } from "./inbox.js";
import { hookMarginMs, maxShownMessages } from "./limits.js";

/** The JSON-RPC id of a call. */
export type CallId = string | number;

/** A message, or one part of it, as one result shows it. */
export interface ShownPiece {
  readonly held: HeldMessage;
  /** Which part, counted from 0. */
  readonly part: number;
  /** The message is whole with this part. */
  readonly isLast: boolean;
}

export type Report = (held: HeldMessage, outcome: Outcome, confirmedBy: ConfirmedBy) => void;

interface Presentation {
  /** The context of the host that made the call; undefined where the host names none. */
  readonly thread: string | undefined;
  readonly pieces: readonly ShownPiece[];
  /** When the result was written, by the monotonic clock; undefined before. */
  writtenAtMs: number | undefined;
}

interface Shown {
  readonly held: HeldMessage;
  state: "showing" | Outcome;
  confirmedBy: ConfirmedBy;
}

/**
 * Which result shows which message, and what that proves.
 *
 * A piece is *showing* from the moment a result takes it until that result is written. Then its
 * message is *presented*, and *confirmed* as soon as the same context begins another call: that call
 * was made by a host that had the result. A call that began before the result was written proves
 * nothing, wherever it ends. A message that the broker delivers again meanwhile is reported as it
 * stands, and not shown again.
 */
export class Presentations {
  readonly #inbox: Inbox;
  readonly #report: Report;
  readonly #byCall = new Map<CallId, Presentation>();
  /** What was taken from the inbox, by key, oldest first. */
  readonly #shown = new Map<string, Shown>();
  readonly #clock: Clock;

  constructor(options: { clock: Clock; inbox: Inbox; report: Report }) {
    this.#clock = options.clock;
    this.#inbox = options.inbox;
    this.#report = options.report;
  }

  /** A call of this context begins: what the context's earlier results showed is confirmed. */
  beginCall(thread: string | undefined): void {
    this.#confirm(thread, Number.POSITIVE_INFINITY, ConfirmedBy.NEXT_CALL);
  }

  /**
   * A hook of this context's host told, at this time of the monotonic clock, that a turn began or ended: what
   * results had shown well before that is confirmed.
   */
  hookRan(thread: string | undefined, atMs: number): void {
    this.#confirm(thread, atMs - hookMarginMs, ConfirmedBy.HOOK);
  }

  /** The result of this call is going to show these pieces. */
  show(callId: CallId, thread: string | undefined, pieces: readonly ShownPiece[]): void {
    const messages = pieces.map((piece) => piece.held);
    this.#inbox.take(messages);
    for (const held of messages) {
      this.#shown.set(held.key, { held, state: "showing", confirmedBy: ConfirmedBy.UNSPECIFIED });
    }
    this.#byCall.set(callId, { thread, pieces, writtenAtMs: undefined });
    this.#forgetOldest();
  }

  /** The result of this call has been written, whole. */
  written(callId: CallId): void {
    const presentation = this.#byCall.get(callId);
    if (presentation === undefined) return;
    presentation.writtenAtMs = this.#clock.monotonic();
    for (const { held, part, isLast } of presentation.pieces) {
      if (isLast) {
        this.#move(held, Outcome.PRESENTED, ConfirmedBy.UNSPECIFIED);
      } else {
        held.partsShown = part + 1;
        this.#returnToInbox([held]);
      }
    }
  }

  /**
   * The host gave the call up, or the call failed. What its result was to show goes back to the inbox;
   * what it did show goes back too, marked, for nobody knows whether it was read.
   */
  withdraw(callId: CallId): void {
    const presentation = this.#byCall.get(callId);
    if (presentation === undefined) return;
    this.#byCall.delete(callId);
    for (const { held, part } of presentation.pieces) {
      held.partsShown = Math.min(held.partsShown, part);
      if (presentation.writtenAtMs !== undefined) held.redelivered = true;
    }
    const messages = presentation.pieces.map((piece) => piece.held);
    this.#returnToInbox(messages.filter(({ key }) => this.#shown.has(key)));
  }

  /** Takes in a delivery of a message that was taken from the inbox; false when it was not. */
  redeliver(delivered: HeldMessage): boolean {
    const shown = this.#shown.get(delivered.key);
    if (shown === undefined) return false;
    shown.held.deliveryId = delivered.deliveryId;
    if (shown.state !== "showing") this.#tell(shown);
    return true;
  }

  /** The broker knows that the message was confirmed: it does not come again. */
  settle(held: HeldMessage): void {
    if (this.#shown.get(held.key)?.state === Outcome.CONFIRMED) this.#shown.delete(held.key);
  }

  /** Messages of which a part is being shown that is not the last. */
  get unfinished(): HeldMessage[] {
    const showing = [...this.#byCall.values()].filter(
      ({ writtenAtMs }) => writtenAtMs === undefined,
    );
    return showing.flatMap(({ pieces }) =>
      pieces.filter(({ isLast }) => !isLast).map(({ held }) => held),
    );
  }

  /** Forgets everything: the mail is another peer's. */
  clear(): void {
    this.#byCall.clear();
    this.#shown.clear();
  }

  /** Confirms what results of this context showed that were written before this time. */
  #confirm(thread: string | undefined, beforeMs: number, confirmedBy: ConfirmedBy): void {
    for (const [callId, presentation] of this.#byCall) {
      const { writtenAtMs = Number.POSITIVE_INFINITY, pieces } = presentation;
      if (writtenAtMs >= beforeMs || presentation.thread !== thread) continue;
      this.#byCall.delete(callId);
      for (const { held } of pieces.filter((piece) => piece.isLast)) {
        this.#move(held, Outcome.CONFIRMED, confirmedBy);
      }
    }
  }

  #move(held: HeldMessage, state: Outcome, confirmedBy: ConfirmedBy): void {
    const shown = this.#shown.get(held.key);
    if (shown === undefined) return;
    shown.state = state;
    shown.confirmedBy = confirmedBy;
    this.#tell(shown);
  }

  #tell({ held, state, confirmedBy }: Shown): void {
    if (state !== "showing") this.#report(held, state, confirmedBy);
  }

  #returnToInbox(messages: readonly HeldMessage[]): void {
    for (const { key } of messages) this.#shown.delete(key);
    this.#inbox.putBack(messages);
  }

  /** A context that never calls again leaves what it was shown unconfirmed, for good. */
  #forgetOldest(): void {
    for (const [key, { state }] of this.#shown) {
      if (this.#shown.size <= maxShownMessages) break;
      if (state !== "showing") this.#shown.delete(key);
    }
    for (const [callId, { writtenAtMs }] of this.#byCall) {
      if (this.#byCall.size <= maxShownMessages) break;
      if (writtenAtMs !== undefined) this.#byCall.delete(callId);
    }
  }
}
