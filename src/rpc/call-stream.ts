import { setMaxListeners } from "node:events";
import type { Http2Session, ServerHttp2Stream } from "node:http2";
import { ServerInterceptingCall, type Metadata, type ServerInterceptor } from "@grpc/grpc-js";
import { describeRequestFaults, type DescribeFault } from "./fault.js";
import type { OpenStreams } from "./open-streams.js";

/** What lies below a call. */
export interface CallStream {
  readonly http2: ServerHttp2Stream | undefined;
  readonly connection: ClientConnection;
}

/**
 * Notes the HTTP/2 stream of each call, which grpc-js 1.14 keeps in a private field of its innermost
 * call: for that this interceptor has to be the first. A call is known again by its metadata, which
 * grpc-js hands through as one object.
 */
export function noteCallStream(open: OpenStreams, describe: DescribeFault): ServerInterceptor {
  return (_method, call) => {
    describeRequestFaults(call, describe);
    const http2 = Reflect.get(call, "stream") as ServerHttp2Stream | undefined;
    const session = http2?.session;
    const noted = { http2, connection: session ? connectionOf(session) : lostConnection };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            streams.set(metadata, noted);
            pass(metadata);
          },
          onReceiveMessage: (message: Buffer, pass) => {
            open.inflated(http2, message.byteLength);
            pass(message);
          },
        }),
    });
  };
}

/** The stream of the call that came with this metadata. */
export function callStreamOf(metadata: Metadata): CallStream {
  return streams.get(metadata) ?? { http2: undefined, connection: lostConnection };
}

const streams = new WeakMap<Metadata, CallStream>();

/** One connection of a client: calls that came over the same one have the same object. */
export interface Connection {
  /** Aborts when the connection is gone: closed by either side, lost, silent for too long, or its process killed. */
  readonly closed: AbortSignal;
}

/** The same, as the server has it. */
export interface ClientConnection extends Connection {
  /** The IP address of the other side; empty over a Unix socket, or where it is no longer known. */
  readonly address: string;
  /** Ends it, with all that runs over it. */
  close(): void;
}

/** The connection that an HTTP/2 session is. */
export function connectionOf(session: Http2Session): ClientConnection {
  const known = connections.get(session);
  if (known !== undefined) return known;
  const closing = new AbortController();
  // Whatever lives as long as the connection listens.
  setMaxListeners(0, closing.signal);
  if (session.destroyed) closing.abort();
  else session.once("close", () => closing.abort());
  const connection = {
    closed: closing.signal,
    address: session.destroyed ? "" : (session.socket.remoteAddress ?? ""),
    close: () => session.destroy(),
  };
  connections.set(session, connection);
  return connection;
}

/** Of a call whose connection was gone before anyone asked for it. */
export const lostConnection: ClientConnection = {
  closed: AbortSignal.abort(),
  address: "",
  close: () => {},
};

const connections = new WeakMap<Http2Session, ClientConnection>();

/**
 * Keeps a call that was cancelled from looking complete. grpc-js by itself
 *
 * - starts the handler of a call that failed before its request was complete, and never tells it that
 *   nobody waits. An interceptor hears nothing once the call is cancelled.
 * - takes a lost connection for the end of a stream of requests. So the end is passed on one turn of
 *   the event loop later, when a loss is known as the cancellation it is.
 *
 * A client on Node that cancels does end its requests first, some time before it resets the stream. So
 * a handler has to look at its signal before it takes the requests for complete.
 */
export const ignoreCancelledCalls: ServerInterceptor = (method, call) =>
  method.requestStream
    ? new ServerInterceptingCall(call, {
        start: (next) => next({ onReceiveHalfClose: (end) => void setImmediate(end) }),
      })
    : new ServerInterceptingCall(call);
