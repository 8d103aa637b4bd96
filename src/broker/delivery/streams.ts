import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import { BrokerError } from "../broker-error.js";
import {
  farewellMs,
  maxMachineWatches,
  maxOperatorWatches,
  maxStreams,
  maxWatches,
  maxWatchesOfMachine,
} from "../limits.js";
import type { Clock } from "../../clock.js";
import type { Credential, Session } from "../peers/sessions.js";

export type StreamKind = "Subscribe" | "WatchPeers" | "WatchMessages";

/** Ends a call with an error, also when its reader reads nothing. */
type End = (error: BrokerError) => void;

/**
 * The open streams. A session has one of each kind, and a newer one ends the older. The operator has a
 * bounded number of each kind, and so have the machines that do without a session. All together are bounded, since each costs memory while it is open.
 */
export class Streams {
  readonly #clock: Clock;
  readonly #ofSession = new WeakMap<Session, Map<StreamKind, End>>();
  /** By the kind, and by the kind and who has them open: the operator, the machines together, one machine. */
  readonly #ofOthers = new Map<string, number>();
  #sessionStreams = 0;
  #sessionWatches = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Lets a stream run, in its place among the open ones. LIMIT_REACHED where it is one too many.
   *
   * @param machineId the machine that calls; empty on the broker's own
   */
  async *run<T>(
    { caller, machineId }: { caller: Credential; machineId: string },
    kind: StreamKind,
    end: End,
    stream: AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const place =
      caller.kind === "session"
        ? this.#openOfSession(caller.session, kind, end)
        : this.#openOfOther(machineId, kind);
    try {
      yield* stream;
    } finally {
      place[Symbol.dispose]();
    }
  }

  #openOfOther(machineId: string, kind: StreamKind): Disposable {
    const bounds = machineId === "" ? [ofOperator] : [ofMachine, ofMachines];
    const places = bounds.map(({ name, maximum, who }) => {
      const place = `${kind} ${name}${name === ofMachine.name ? ` ${machineId}` : ""}`;
      const open = this.#ofOthers.get(place) ?? 0;
      if (open >= maximum)
        throw tooMany(name, maximum, `${maximum} ${kind} streams are open ${who}`);
      return [place, open] as const;
    });
    for (const [place, open] of places) this.#ofOthers.set(place, open + 1);
    return {
      [Symbol.dispose]: () => {
        for (const [place] of places) {
          const left = (this.#ofOthers.get(place) ?? 1) - 1;
          if (left > 0) this.#ofOthers.set(place, left);
          else this.#ofOthers.delete(place);
        }
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

const ofOperator = {
  name: "operator_watches",
  maximum: maxOperatorWatches,
  who: "with the operator token",
};
const ofMachine = {
  name: "watches_of_machine",
  maximum: maxWatchesOfMachine,
  who: "from this machine",
};
const ofMachines = {
  name: "machine_watches",
  maximum: maxMachineWatches,
  who: "from machines that read without a session",
};

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
