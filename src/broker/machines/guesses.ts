import type { Clock } from "../../clock.js";
import type { ClientConnection } from "../../rpc/server.js";
import { maxGuessBurst, guessesPerSecond, maxGuessingAddresses } from "../limits.js";
import { Rate } from "../rate.js";

/**
 * What was tried in vain from each address. Beyond a burst the connection is closed, and the next ones
 * are refused before their encryption begins, until the address has been quiet for a while.
 *
 * A machine that was revoked asks now and then, and stays far below: it hears why it is refused.
 */
export class Guesses {
  readonly #rate: Rate;

  constructor(clock: Clock) {
    this.#rate = new Rate(clock, { burst: maxGuessBurst, perSecond: guessesPerSecond });
  }

  areFew(address: string): boolean {
    return this.#rate.waitMs(networkOf(address), 1) === 0;
  }

  note(connection: ClientConnection): void {
    // So many addresses at once guess no faster than one: what is not counted is closed.
    const isCounted = this.#rate.users < maxGuessingAddresses;
    if (isCounted) this.#rate.take(networkOf(connection.address), 1);
    if (!isCounted || !this.areFew(connection.address)) setImmediate(() => connection.close());
  }
}

/** Who has one address of IPv6 has all of its network. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => "0");
  return [...front, ...(tail === undefined ? [] : zeros), ...back].slice(0, 4).join(":");
}
