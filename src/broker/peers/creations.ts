import { ErrorReason } from "../../../gen/peerline/v1/error_reason_pb.js";
import type { Clock } from "../../clock.js";
import type { Connection } from "../../rpc/server.js";
import { BrokerError } from "../broker-error.js";
import {
  creationBurstOfNewcomers,
  creationsPerSecond,
  creationsPerSecondOfConnection,
  creationsPerSecondOfMachine,
  maxCreationBurst,
  maxCreationBurstOfConnection,
  maxCreationBurstOfMachine,
} from "../limits.js";
import { Rate } from "../rate.js";

/**
 * Bounds how many new peers are made: in the whole broker, over each connection, and by each other machine. So
 * one client that asks without end leaves room for others. A part is kept for connections over which none was made yet. That
 * part comes back first, so that a new agent gets its peer however many others ask. A peer that returns is
 * never kept waiting.
 */
export class Creations {
  readonly #ofBroker: Rate;
  readonly #ofConnection: Rate;
  readonly #ofMachine: Rate;
  readonly #users = new WeakMap<Connection, User>();
  #connections = 0;

  constructor(clock: Clock) {
    this.#ofBroker = new Rate(clock, { burst: maxCreationBurst, perSecond: creationsPerSecond });
    this.#ofConnection = new Rate(clock, {
      burst: maxCreationBurstOfConnection,
      perSecond: creationsPerSecondOfConnection,
    });
    this.#ofMachine = new Rate(clock, {
      burst: maxCreationBurstOfMachine,
      perSecond: creationsPerSecondOfMachine,
    });
  }

  /**
   * Takes one creation; RATE_LIMITED where there is none.
   *
   * @param machineId the machine that asks; empty on the broker's own, which has no bound as a whole
   */
  take(connection: Connection, machineId = ""): void {
    const user = this.#userOf(connection);
    const kept = user.made === 0 ? 0 : creationBurstOfNewcomers;
    const ofMachineMs = machineId === "" ? 0 : this.#ofMachine.waitMs(machineId, 1);
    if (ofMachineMs > 0) throw tooManyOfMachine(ofMachineMs);
    const waitMs = Math.max(
      this.#ofBroker.waitMs(broker, kept + 1),
      this.#ofConnection.waitMs(user.name, 1),
    );
    if (waitMs > 0) throw tooMany(waitMs);
    this.#ofBroker.take(broker, 1);
    this.#ofConnection.take(user.name, 1);
    if (machineId !== "") this.#ofMachine.take(machineId, 1);
    user.made++;
  }

  /** The peer was not made after all, or was removed before anybody heard of it. */
  giveBack(connection: Connection, machineId = ""): void {
    const user = this.#userOf(connection);
    this.#ofBroker.giveBack(broker, 1);
    this.#ofConnection.giveBack(user.name, 1);
    if (machineId !== "") this.#ofMachine.giveBack(machineId, 1);
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
  const words = `the broker makes ${maxCreationBurst} in a burst, ${maxCreationBurstOfConnection} of them over one connection`;
  return refusal(waitMs, words, "peer_burst", maxCreationBurst);
}

function tooManyOfMachine(waitMs: number): BrokerError {
  const words = `one machine makes ${maxCreationBurstOfMachine} in a burst`;
  return refusal(waitMs, words, "peer_burst_of_machine", maxCreationBurstOfMachine);
}

function refusal(waitMs: number, words: string, limit: string, maximum: number): BrokerError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new BrokerError(
    ErrorReason.RATE_LIMITED,
    `too many new peers at once: ${words} (try again in ${seconds} s)`,
    { metadata: { limit, maximum: String(maximum) }, retryAfterMs: seconds * 1000 },
  );
}
