import { setMaxListeners } from "node:events";
import type { Http2Session } from "node:http2";

/** One connection of a client: calls that came over the same one have the same object. */
export interface Connection {
  /** Aborts when the connection is gone: closed by either side, lost, silent for too long, or its process killed. */
  readonly closed: AbortSignal;
}

/** The connection that an HTTP/2 session is. */
export function connectionOf(session: Http2Session): Connection {
  const known = connections.get(session);
  if (known !== undefined) return known;
  const closing = new AbortController();
  // Whatever lives as long as the connection listens.
  setMaxListeners(0, closing.signal);
  if (session.destroyed) closing.abort();
  else session.once("close", () => closing.abort());
  const connection = { closed: closing.signal };
  connections.set(session, connection);
  return connection;
}

/** Of a call whose connection was gone before anyone asked for it. */
export const lostConnection: Connection = { closed: AbortSignal.abort() };

const connections = new WeakMap<Http2Session, Connection>();
