import type { Clock } from "../../clock.js";
import type { ClientConnection } from "../../rpc/server.js";
import { maxGuessBurst, guessesPerSecond, maxGuessingAddresses } from "../limits.js";
import { Rate } from "../rate.js";

/**
 * What was tried in vain from each address: connections over which nobody has proved who it is, and each wrong
 * credential or token after the first of a connection. It is the same whether they finish their handshake. Beyond
 * a burst a connection is closed at its next wrong one, until the address has been quiet for a while. The
 * next connections are refused before their encryption begins, except where a machine that is let in has
 * the address too: behind one router there are many.
 *
 * A machine that was revoked asks now and then, and stays far below: it hears why it is refused.
 */
export class Guesses {
  readonly #rate: Rate;
  /** Their first wrong one counts as the connection itself. */
  readonly #guessed = new WeakSet<ClientConnection>();

  constructor(clock: Clock) {
    this.#rate = new Rate(clock, { burst: maxGuessBurst, perSecond: guessesPerSecond });
  }

  /** A connection begins. It counts until it has proved who it is; false where too many came to nothing before. */
  begin(address: string): boolean {
    if (!this.#areFew(address)) return false;
    this.#take(address);
    return true;
  }

  /** The connection that has begun was none in vain. */
  giveBack(address: string): void {
    this.#rate.giveBack(networkOf(address), 1);
  }

  note(connection: ClientConnection): void {
    const isFirst = !this.#guessed.has(connection);
    this.#guessed.add(connection);
    // So many addresses at once guess no faster than one: what is not counted is closed.
    const isCounted = isFirst || this.#take(connection.address);
    if (!isCounted || !this.#areFew(connection.address)) setImmediate(() => connection.close());
  }

  #areFew(address: string): boolean {
    return this.#rate.waitMs(networkOf(address), 1) === 0;
  }

  /** No more than the burst is owed, so that the address is let in again soon after the last guess. */
  #take(address: string): boolean {
    const isCounted = this.#rate.users < maxGuessingAddresses;
    if (isCounted && this.#areFew(address)) this.#rate.take(networkOf(address), 1);
    return isCounted;
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
