import type { Http2SecureServer, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { systemClock } from "../clock.js";
import { strangerMs } from "./limits.js";

/** What a server over TLS bears of strangers: of connections over which nobody has proved who it is. */
export interface StrangerBounds {
  /** How many there may be; one more ends the oldest of the address that has the most. */
  readonly strangers: number;
  /** Hears of each connection, by its IP address. One that it does not let begin is closed before its handshake. */
  readonly begins: (address: string) => boolean;
  /** Hears that a stranger from this IP address is none any more. */
  readonly proved: (address: string) => void;
}

interface Stranger {
  readonly socket: Socket;
  readonly address: string;
  /** It is none any more. */
  readonly prove: () => void;
}

/**
 * Bounds the connections over which no call was admitted yet, in number and time. Each costs a socket and
 * no more: a client that opens thousands, and finishes its handshake or not, gives way to the others.
 */
export class Strangers {
  /** By address and port, the oldest first: the encrypted socket is another object than the plain one. */
  readonly #open = new Map<string, Stranger>();
  readonly #bySession = new WeakMap<Http2Session, Stranger>();

  guard(server: Http2SecureServer, bounds: StrangerBounds, onBound: (words: string) => void): void {
    server.prependListener("connection", (socket: Socket) => {
      const address = socket.remoteAddress ?? "";
      if (!bounds.begins(address)) {
        socket.destroy();
        return;
      }
      this.#add(socket, address, bounds.proved);
      if (this.#open.size <= bounds.strangers) return;
      onBound(
        `${bounds.strangers} connections are open that proved nothing: the oldest were closed`,
      );
      oldestOfMost(this.#open.values())?.socket.destroy();
    });
    server.on("session", (session) => {
      const stranger = session.destroyed ? undefined : this.#open.get(keyOf(session.socket));
      if (stranger !== undefined) this.#bySession.set(session, stranger);
    });
  }

  /** A call was admitted over this connection. */
  prove(session: Http2Session | undefined): void {
    const stranger = session && this.#bySession.get(session);
    if (session === undefined || stranger === undefined) return;
    this.#bySession.delete(session);
    stranger.prove();
  }

  #add(socket: Socket, address: string, proved: (address: string) => void): void {
    const key = keyOf(socket);
    const leave = (): void => {
      timeOver[Symbol.dispose]();
      this.#open.delete(key);
    };
    const timeOver = systemClock.after(strangerMs, () => socket.destroy());
    // Its address is no longer known when it closes.
    socket.once("close", leave);
    const prove = (): void => {
      socket.off("close", leave);
      leave();
      proved(address);
    };
    this.#open.set(key, { socket, address, prove });
  }
}

function keyOf({
  remoteAddress,
  remotePort,
}: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress} ${remotePort}`;
}

function oldestOfMost(strangers: Iterable<Stranger>): Stranger | undefined {
  const byAddress = new Map<string, Stranger[]>();
  for (const stranger of strangers) {
    const own = byAddress.get(stranger.address);
    if (own === undefined) byAddress.set(stranger.address, [stranger]);
    else own.push(stranger);
  }
  let most: readonly Stranger[] = [];
  for (const own of byAddress.values()) if (own.length > most.length) most = own;
  return most[0];
}
