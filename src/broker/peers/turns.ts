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
  readonly begin: () => Promise<void>;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Work that is done one piece after the other, so that two callers never choose the same peer.
 *
 * Each piece has a cost. The next turn goes to the connection that will have spent the least by it, and
 * between equals to the one that has waited longer. A connection that comes for the first time, or
 * again after a while, begins with what the others have spent by then. So a connection that asks
 * thousands of times, or many connections that ask for dear work, delay a small piece by one turn at most.
 * What waits is bounded, over each connection and in all. Where all places are taken, the connection that
 * has the most gives one up to a connection that has fewer.
 */
export class Turns {
  /** In the order in which they began to wait. */
  readonly #waiting = new Map<Connection, Waiting[]>();
  /** What the turns of each connection have cost, as told above. */
  readonly #spent = new WeakMap<Connection, number>();
  #count = 0;
  /** What the connection that has the turn, or had the last one, had spent before it. */
  #begun = 0;
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
      this.#remove(connection, waiting);
      this.#begun = this.#spentBy(connection);
      this.#spent.set(connection, this.#begun + waiting.cost);
      await waiting.begin();
    }
    this.#isServing = false;
  }

  #next(): [Connection, Waiting] | undefined {
    let next: [Connection, Waiting] | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const [connection, [first]] of this.#waiting) {
      if (first === undefined) continue;
      const spent = this.#spentBy(connection) + first.cost;
      if (spent >= least) continue;
      next = [connection, first];
      least = spent;
    }
    return next;
  }

  #spentBy(connection: Connection): number {
    return Math.max(this.#begun, this.#spent.get(connection) ?? 0);
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
