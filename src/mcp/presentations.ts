import { Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import type { HeldMessage } from "../client/inbox.js";
import { Mail } from "../client/mail.js";
import { hookMarginMs, maxShownResults } from "./limits.js";

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

interface Presentation {
  /** The context of the host that made the call; undefined where the host names none. */
  readonly context: string | undefined;
  readonly pieces: readonly ShownPiece[];
  /** When the result was written, by the monotonic clock; undefined before. */
  writtenAtMs: number | undefined;
}

/**
 * Which result shows which message, and what that proves.
 *
 * A piece is *showing* from the moment a result takes it until that result is written. Then its
 * message is *presented*, and *confirmed* as soon as the same context begins another call: that call
 * was made by a host that had the result. A call that began before the result was written proves
 * nothing, wherever it ends.
 */
export class Presentations {
  readonly #clock: Clock;
  readonly #mail: Mail;
  readonly #byCall = new Map<CallId, Presentation>();

  constructor(options: { clock: Clock; mail: Mail }) {
    this.#clock = options.clock;
    this.#mail = options.mail;
  }

  /** A call of this context begins: what the context's earlier results showed is confirmed. */
  beginCall(context: string | undefined): void {
    this.#confirm(context, Number.POSITIVE_INFINITY, ConfirmedBy.NEXT_CALL);
  }

  /**
   * A hook of this context's host told, at this time of the monotonic clock, that a turn began or ended: what
   * results had shown well before that is confirmed.
   */
  hookRan(context: string | undefined, atMs: number): void {
    this.#confirm(context, atMs - hookMarginMs, ConfirmedBy.HOOK);
  }

  /** The result of this call is going to show these pieces. */
  show(callId: CallId, context: string | undefined, pieces: readonly ShownPiece[]): void {
    for (const { held, isLast } of pieces) this.#mail.take(held, isLast);
    this.#byCall.set(callId, { context, pieces, writtenAtMs: undefined });
    this.#forgetOldest();
  }

  /** The result of this call has been written, whole. */
  written(callId: CallId): void {
    const presentation = this.#byCall.get(callId);
    if (presentation === undefined) return;
    presentation.writtenAtMs = this.#clock.monotonic();
    for (const { held, part, isLast } of presentation.pieces) {
      if (isLast) {
        this.#mail.tell(held, { outcome: Outcome.PRESENTED });
      } else {
        held.partsShown = part + 1;
        this.#mail.putBack([held]);
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
    this.#mail.putBack(presentation.pieces.map(({ held }) => held));
  }

  /** Confirms what results of this context showed that were written before this time. */
  #confirm(context: string | undefined, beforeMs: number, confirmedBy: ConfirmedBy): void {
    for (const [callId, presentation] of this.#byCall) {
      const { writtenAtMs = Number.POSITIVE_INFINITY, pieces } = presentation;
      if (writtenAtMs >= beforeMs || presentation.context !== context) continue;
      this.#byCall.delete(callId);
      for (const { held } of pieces.filter((piece) => piece.isLast)) {
        this.#mail.tell(held, { outcome: Outcome.CONFIRMED, confirmedBy });
      }
    }
  }

  /** A context that never calls again leaves what it was shown unconfirmed, for good. */
  #forgetOldest(): void {
    for (const [callId, { writtenAtMs }] of this.#byCall) {
      if (this.#byCall.size <= maxShownResults) break;
      if (writtenAtMs !== undefined) this.#byCall.delete(callId);
    }
  }
}

/** The agent's mail, with the results that show it. */
export class AgentMail extends Mail {
  readonly presentations: Presentations;

  constructor(clock: Clock) {
    super(clock);
    this.presentations = new Presentations({ clock, mail: this });
  }
}
