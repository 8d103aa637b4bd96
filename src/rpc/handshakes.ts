import type { Http2SecureServer } from "node:http2";
import type { Socket } from "node:net";

/** What a server over TLS bears of connections whose encryption does not stand yet. */
export interface HandshakeBounds {
  /** How many there may be; one more ends the oldest of the address that has the most. */
  readonly handshakes: number;
  /** Whether a connection from an IP address may begin at all. */
  readonly accepts: (address: string) => boolean;
}

/**
 * Bounds the connections that have not finished their handshake. Each costs a socket and no more: a client
 * that opens thousands and says nothing gives way to the others.
 */
export function guardHandshakes(
  server: Http2SecureServer,
  { handshakes, accepts }: HandshakeBounds,
  onBound: (words: string) => void,
): void {
  /** By address and port, the oldest first: the encrypted socket is another object than the plain one. */
  const pending = new Map<string, Socket>();
  const finish = (socket: Socket): void => void pending.delete(keyOf(socket));
  server.prependListener("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    if (!accepts(address)) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    pending.set(key, socket);
    // Its address is no longer known then.
    socket.once("close", () => pending.delete(key));
    if (pending.size <= handshakes) return;
    onBound(`${handshakes} connections are open without encryption: the oldest were closed`);
    oldestOfMost(pending.values())?.destroy();
  });
  server.on("secureConnection", finish);
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function oldestOfMost(sockets: Iterable<Socket>): Socket | undefined {
  const byAddress = new Map<string, Socket[]>();
  for (const socket of sockets) {
    const address = socket.remoteAddress ?? "";
    const own = byAddress.get(address);
    if (own === undefined) byAddress.set(address, [socket]);
    else own.push(socket);
  }
  let most: readonly Socket[] = [];
  for (const own of byAddress.values()) if (own.length > most.length) most = own;
  return most[0];
}
