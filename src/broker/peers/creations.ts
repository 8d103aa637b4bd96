import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import {
  creationBurstOfNewcomers,
  creationsPerSecond,
  creationsPerSecondOfConnection,
  maxCreationBurst,
  maxCreationBurstOfConnection,
} from "../limits.js";
import { Rate } from "../rate.js";

/**
 * Bounds how many new peers are made, in the whole broker and over each connection, so that one client that
 * asks without end leaves room for others. A part is kept for connections over which none was made yet. That
 * part comes back first, so that a new agent gets its peer however many others ask. A peer that returns is
 * never kept waiting.
 */
export class Creations {
  readonly #ofBroker: Rate;
  readonly #ofConnection: Rate;
  readonly #users = new WeakMap<Connection, User>();
  #connections = 0;

  constructor(clock: Clock) {
    this.#ofBroker = new Rate(clock, { burst: maxCreationBurst, perSecond: creationsPerSecond });
    this.#ofConnection = new Rate(clock, {
      burst: maxCreationBurstOfConnection,
      perSecond: creationsPerSecondOfConnection,
    });
  }

  /** Takes one creation; RATE_LIMITED where there is none. */
  take(connection: Connection): void {
    const user = this.#userOf(connection);
    const kept = user.made === 0 ? 0 : creationBurstOfNewcomers;
    const waitMs = Math.max(
      this.#ofBroker.waitMs(broker, kept + 1),
      this.#ofConnection.waitMs(user.name, 1),
    );
    if (waitMs > 0) throw tooMany(waitMs);
    this.#ofBroker.take(broker, 1);
    this.#ofConnection.take(user.name, 1);
    user.made++;
  }

  /** The peer was not made after all, or was removed before anybody heard of it. */
  giveBack(connection: Connection): void {
    const user = this.#userOf(connection);
    this.#ofBroker.giveBack(broker, 1);
    this.#ofConnection.giveBack(user.name, 1);
    user.made--;
  }

  #userOf(connection: Connection): User {
    const known = this.#users.get(connection);
    if (known !== undefined) return known;
    const user = { name: String((this.#connections += 1)), made: 0 };
    this.#users.set(connection, user);
    return user;
  }
}

interface User {
  readonly name: string;
  /** Peers that were made over it. */
  made: number;
}

const broker = "broker";

function tooMany(waitMs: number): BrokerError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new BrokerError(
    ErrorReason.RATE_LIMITED,
    `too many new peers at once: the broker makes ${maxCreationBurst} in a burst, ${maxCreationBurstOfConnection} of them over one connection (try again in ${seconds} s)`,
    {
      metadata: { limit: "peer_burst", maximum: String(maxCreationBurst) },
      retryAfterMs: seconds * 1000,
    },
  );
}
