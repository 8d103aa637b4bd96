import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import {
  creationsPerSecond,
  creationsPerSecondOfConnection,
  maxCreationBurst,
  maxCreationBurstOfConnection,
} from "../limits.js";
import { Rate } from "../rate.js";

/**
 * How many new peers are made: in the whole broker, and over each connection, so that one client that
 * asks without end leaves room for others. It bounds creations only: who returns is never kept waiting.
 */
export class Creations {
  readonly #ofBroker: Rate;
  readonly #ofConnection: Rate;
  readonly #names = new WeakMap<Connection, string>();
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
    const name = this.#nameOf(connection);
    const waitMs = Math.max(this.#ofBroker.waitMs(broker, 1), this.#ofConnection.waitMs(name, 1));
    if (waitMs > 0) throw tooMany(waitMs);
    this.#ofBroker.take(broker, 1);
    this.#ofConnection.take(name, 1);
  }

  /** The peer was not made after all, or was removed before anybody heard of it. */
  giveBack(connection: Connection): void {
    this.#ofBroker.giveBack(broker, 1);
    this.#ofConnection.giveBack(this.#nameOf(connection), 1);
  }

  #nameOf(connection: Connection): string {
    const known = this.#names.get(connection);
    if (known !== undefined) return known;
    const name = String((this.#connections += 1));
    this.#names.set(connection, name);
    return name;
  }
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
