import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { BrokerError } from "../broker-error.js";
import { farewellMs, maxOperatorWatches, maxStreams, maxWatches } from "../limits.js";
import type { Clock } from "../../clock.js";
import type { Credential, Session } from "../peers/sessions.js";

export type StreamKind = "Subscribe" | "WatchPeers" | "WatchMessages";

/** Ends a call with an error, also when its reader reads nothing. */
type End = (error: BrokerError) => void;

/**
 * The open streams. A session has one of each kind, and a newer one ends the older. The operator has a
 * bounded number of each kind. All together are bounded, since each costs memory while it is open.
 */
export class Streams {
  readonly #clock: Clock;
  readonly #ofSession = new WeakMap<Session, Map<StreamKind, End>>();
  readonly #ofOperator = new Map<StreamKind, number>();
  #sessionStreams = 0;
  #sessionWatches = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lets a stream run, in its place among the open ones. LIMIT_REACHED where it is one too many. */
  async *run<T>(
    caller: Credential,
    kind: StreamKind,
    end: End,
    stream: AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const place = this.#open(caller, kind, end);
    try {
      yield* stream;
    } finally {
      place[Symbol.dispose]();
    }
  }

  #open(caller: Credential, kind: StreamKind, end: End): Disposable {
    return caller.kind === "session"
      ? this.#openOfSession(caller.session, kind, end)
      : this.#openOfOperator(kind);
  }

  #openOfOperator(kind: StreamKind): Disposable {
    const open = this.#ofOperator.get(kind) ?? 0;
    if (open >= maxOperatorWatches) {
      const words = `${maxOperatorWatches} ${kind} streams are open with the operator token`;
      throw tooMany("operator_watches", maxOperatorWatches, words);
    }
    this.#ofOperator.set(kind, open + 1);
    return {
      [Symbol.dispose]: () => {
        this.#ofOperator.set(kind, (this.#ofOperator.get(kind) ?? 1) - 1);
      },
    };
  }

  #openOfSession(session: Session, kind: StreamKind, end: End): Disposable {
    const own = this.#ofSession.get(session) ?? new Map<StreamKind, End>();
    const endOlder = own.get(kind);
    const isWatch = kind !== "Subscribe";
    // The one that is replaced leaves its place.
    if (endOlder === undefined) this.#requireRoom(isWatch);
    own.set(kind, end);
    this.#ofSession.set(session, own);
    this.#sessionStreams++;
    if (isWatch) this.#sessionWatches++;
    if (endOlder !== undefined) this.#takeLeave(kind, endOlder, superseded(kind));
    const ended = session.ended.signal;
    const leave = (): void => this.#takeLeave(kind, end, ended.reason as BrokerError);
    ended.addEventListener("abort", leave, { once: true });
    return {
      [Symbol.dispose]: () => {
        ended.removeEventListener("abort", leave);
        if (own.get(kind) === end) own.delete(kind);
        this.#sessionStreams--;
        if (isWatch) this.#sessionWatches--;
      },
    };
  }

  /** A subscription sends `closing` first. It does not wait for a reader that does not take it. */
  #takeLeave(kind: StreamKind, end: End, error: BrokerError): void {
    if (kind === "Subscribe") this.#clock.after(farewellMs, () => end(error));
    else end(error);
  }

  #requireRoom(isWatch: boolean): void {
    if (isWatch && this.#sessionWatches >= maxWatches) {
      throw tooMany("watches", maxWatches, `${maxWatches} watches are open in this broker`);
    }
    if (this.#sessionStreams >= maxStreams) {
      throw tooMany("streams", maxStreams, `${maxStreams} streams are open in this broker`);
    }
  }
}

function superseded(kind: StreamKind): BrokerError {
  return new BrokerError(
    ErrorReason.SUPERSEDED,
    `a newer ${kind} stream of this session took over: a session has one of each kind`,
  );
}

function tooMany(limit: string, maximum: number, words: string): BrokerError {
  return new BrokerError(
    ErrorReason.LIMIT_REACHED,
    `${words}: end one, or try again when another has ended`,
    { metadata: { limit, maximum: String(maximum) } },
  );
}
