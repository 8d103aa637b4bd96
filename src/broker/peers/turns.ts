import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import { maxWaitingRegistrations, maxWaitingRegistrationsOfConnection } from "../limits.js";

/** Who waits for a turn. */
export interface Caller {
  readonly connection: Connection;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly cost: number;
  /** The share that each connection had been given when it began to wait. */
  readonly since: number;
  readonly begin: () => Promise<void>;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Work that is done one piece after the other, so that two callers never choose the same peer.
 *
 * Each piece has a cost. The connections that wait share the turns equally, by cost (weighted fair
 * queueing). A piece is due when a fair share would have paid for it: its start and its cost. It starts
 * when it begins to wait, or when what its connection asked for before is paid. The next turn goes to the
 * piece that is due first, and between equals to the connection that has waited longer.
 *
 * So a small piece has its turn before dear ones that came with it, however many connections ask for
 * those. Each turn makes the share of those that wait greater, and what comes later starts from there. So
 * no piece waits for ever, also where new connections come all the time.
 *
 * What waits is bounded, over each connection and in all. Where all places are taken, the connection that
 * has the most gives one up to a connection that has fewer.
 */
export class Turns {
  /** In the order in which they began to wait. */
  readonly #waiting = new Map<Connection, Waiting[]>();
  /** When what each connection has been given is paid. */
  readonly #paid = new WeakMap<Connection, number>();
  #count = 0;
  /** What each connection was given if it has waited all the time: the cost of each turn, shared by those that waited. */
  #share = 0;
  #isServing = false;

  /**
   * Does the work in its turn and resolves to what it does. RATE_LIMITED where there is no place. Rejects
   * with the signal's reason when that aborts before the turn has come: the work is then not done.
   *
   * @param cost 1 for a small piece of work
   */
  async run<T>(
    work: () => Promise<T>,
    { connection, signal }: Caller = ownCaller,
    cost = 1,
  ): Promise<T> {
    signal.throwIfAborted();
    this.#makePlace(connection);
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        this.#remove(connection, waiting);
        reject(signal.reason);
      };
      const stay = (): void => signal.removeEventListener("abort", leave);
      const waiting: Waiting = {
        cost,
        since: this.#share,
        begin: async () => {
          stay();
          await work().then(resolve, reject);
        },
        refuse: (reason) => {
          stay();
          reject(reason);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.set(connection, [...this.#ofConnection(connection), waiting]);
      this.#count++;
      void this.#serve();
    });
  }

  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [connection, waiting] = next;
      this.#share += waiting.cost / this.#waiting.size;
      this.#paid.set(connection, this.#due(connection, waiting));
      this.#remove(connection, waiting);
      await waiting.begin();
    }
    this.#isServing = false;
  }

  #next(): [Connection, Waiting] | undefined {
    let next: [Connection, Waiting] | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [connection, [first]] of this.#waiting) {
      if (first === undefined) continue;
      const due = this.#due(connection, first);
      if (due >= least) continue;
      next = [connection, first];
      least = due;
    }
    return next;
  }

  /** When the first piece of a connection is due. */
  #due(connection: Connection, { since, cost }: Waiting): number {
    return Math.max(since, this.#paid.get(connection) ?? 0) + cost;
  }

  #makePlace(connection: Connection): void {
    const own = this.#ofConnection(connection).length;
    if (own >= maxWaitingRegistrationsOfConnection) throw tooMany();
    if (this.#count < maxWaitingRegistrations) return;
    let most: [Connection, Waiting[]] | undefined;
    for (const candidate of this.#waiting) {
      if (candidate[1].length > (most?.[1].length ?? own + 1)) most = candidate;
    }
    const last = most?.[1].at(-1);
    if (most === undefined || last === undefined) throw tooMany();
    this.#remove(most[0], last);
    last.refuse(tooMany());
  }

  #ofConnection(connection: Connection): Waiting[] {
    return this.#waiting.get(connection) ?? [];
  }

  #remove(connection: Connection, waiting: Waiting): void {
    const before = this.#ofConnection(connection);
    const others = before.filter((other) => other !== waiting);
    this.#count -= before.length - others.length;
    if (others.length === 0) this.#waiting.delete(connection);
    else this.#waiting.set(connection, others);
  }
}

/** The broker's own work. */
const ownCaller: Caller = {
  connection: { closed: new AbortController().signal },
  signal: new AbortController().signal,
};

function tooMany(): BrokerError {
  return new BrokerError(
    ErrorReason.RATE_LIMITED,
    `too many registrations wait: ${maxWaitingRegistrations} may, ${maxWaitingRegistrationsOfConnection} of them over one connection (try again in 1 s)`,
    {
      metadata: { limit: "waiting_registrations", maximum: String(maxWaitingRegistrations) },
      retryAfterMs: 1000,
    },
  );
}
