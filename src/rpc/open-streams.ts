import {
  constants,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { systemClock } from "../clock.js";
import { Code } from "./error.js";
import { maxMessageBytes } from "./limits.js";

/** What the clients of a server may have open together. */
export interface OpenBounds {
  readonly connections: number;
  readonly calls: number;
  /** Of the requests of these calls, headers included, in bytes. */
  readonly requestBytes: number;
  /** How long a call may be stuck, in milliseconds; it is closed after that, and before twice that. */
  readonly stuckMs: number;
}

/** Hears that clients met a bound, in words for a log. */
export type OnBound = (words: string) => void;

/** The call that an HTTP/2 stream carries, seen from below. */
interface OpenCall {
  readonly stream: ServerHttp2Stream;
  readonly connection: OpenConnection;
  readonly sendsMany: boolean;
  requestBytes: number;
  /** Its whole answer was handed over. */
  hasEnded: boolean;
  wasStuck: boolean;
}

interface OpenConnection {
  readonly session: ServerHttp2Session;
  /** The newest last. */
  readonly calls: Set<OpenCall>;
  requestBytes: number;
}

/**
 * The connections and the HTTP/2 streams that are open at a server, in bounds: each costs tens of KiB,
 * whatever its client does with it. The client that has the most gives way to the others:
 *
 * - of connections, the one that has carried no call for longest is closed, where there is one, else the
 *   newest;
 * - of calls, the newest of the connection that has the most is reset, or refused if it is the one that
 *   arrives;
 * - of the bytes of requests, the largest request of the connection that holds the most is reset.
 *
 * A call is *stuck* when it has ended and what it was answered with cannot leave, or when its one request
 * does not come to its end. HTTP/2 knows no time for either: a client that gives no window would keep it
 * open for ever.
 */
export class OpenStreams {
  readonly #bounds: OpenBounds;
  readonly #onBound: OnBound;
  readonly #sendsMany: ReadonlySet<string>;
  /** In the order in which a call last began or ended on them, the latest last. */
  readonly #connections = new Map<Http2Session, OpenConnection>();
  readonly #calls = new Map<ServerHttp2Stream, OpenCall>();
  readonly #sockets = new Set<Socket>();
  #requestBytes = 0;
  #isSweepDue = false;
  /** Words of a bound that was told -> how often it was met since. */
  readonly #told = new Map<string, number>();

  /** @param options.sendsMany the paths of the methods that take a stream of requests. */
  constructor(options: { bounds: OpenBounds; onBound: OnBound; sendsMany: ReadonlySet<string> }) {
    this.#bounds = options.bounds;
    this.#onBound = options.onBound;
    this.#sendsMany = options.sendsMany;
  }

  /** Stands between an HTTP/2 server and those who listen to its streams, from now on. */
  guard(server: Http2Server): void {
    const takers = server.listeners("stream");
    server.removeAllListeners("stream");
    server.on("stream", (...event) => {
      if (!this.#admit(event[0], event[1])) return;
      for (const take of takers) Reflect.apply(take, server, event);
    });
    server.on("session", (session) => {
      destroyAfterRead(session);
      this.#connect(session);
    });
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Closes the connections at once. A session that is closed waits for its client, which may be suspended. */
  cutOff(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The request of a call is larger than what arrived of it: it was compressed. */
  inflated(stream: ServerHttp2Stream | undefined, bytes: number): void {
    const call = stream && this.#calls.get(stream);
    if (call !== undefined && bytes > call.requestBytes) {
      this.#hold(call, bytes - call.requestBytes);
    }
  }

  /** The call has ended: from now on it only waits for its reader. */
  ended(stream: ServerHttp2Stream | undefined): void {
    const call = stream && this.#calls.get(stream);
    if (call !== undefined) call.hasEnded = true;
  }

  /** Reports at once, in words for a log, that a bound was met. Further times are counted, and reported once in each sweep. */
  tell(words: string): void {
    const more = this.#told.get(words);
    this.#told.set(words, more === undefined ? 0 : more + 1);
    if (more === undefined) this.#onBound(words);
    this.#sweepLater();
  }

  #connect(session: ServerHttp2Session): void {
    const connection: OpenConnection = { session, calls: new Set(), requestBytes: 0 };
    this.#connections.set(session, connection);
    session.once("close", () => this.#connections.delete(session));
    if (this.#connections.size <= this.#bounds.connections) return;
    const idle = find(this.#connections.values(), ({ calls }) => calls.size === 0) ?? connection;
    this.#connections.delete(idle.session);
    idle.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    idle.session.destroy();
    this.tell(
      `${this.#bounds.connections} connections are open: the one that was idle for longest was closed`,
    );
  }

  #admit(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const connection = stream.session && this.#connections.get(stream.session);
    if (connection === undefined) {
      cut(stream);
      return false;
    }
    if (this.#calls.size >= this.#bounds.calls) {
      const widest = this.#most(({ calls }) => calls.size);
      this.tell(`${this.#bounds.calls} calls are open: the client with the most gave way`);
      if (widest.calls.size <= connection.calls.size) {
        refuse(stream, `${this.#bounds.calls} calls are open: try again when others have ended`);
        return false;
      }
      this.#cut([...widest.calls].at(-1));
    }
    const call: OpenCall = {
      stream,
      connection,
      sendsMany: this.#sendsMany.has(String(headers[":path"])),
      requestBytes: 0,
      hasEnded: false,
      wasStuck: false,
    };
    this.#calls.set(stream, call);
    connection.calls.add(call);
    this.#touch(connection);
    stream.once("close", () => this.#forget(call));
    stream.on("data", (data: Buffer) => this.#hold(call, data.byteLength));
    this.#hold(call, sizeOf(headers));
    this.#sweepLater();
    return this.#calls.has(stream);
  }

  /** Of a stream of requests no more than one counts: those before it were taken. */
  #hold(call: OpenCall, bytes: number): void {
    if (!this.#calls.has(call.stream)) return;
    const more = Math.min(bytes, maxMessageBytes - call.requestBytes);
    if (more <= 0) return;
    call.requestBytes += more;
    call.connection.requestBytes += more;
    this.#requestBytes += more;
    while (this.#requestBytes > this.#bounds.requestBytes) {
      const { calls } = this.#most(({ requestBytes }) => requestBytes);
      this.#cut(most(calls, ({ requestBytes }) => requestBytes));
      this.tell(`requests hold ${this.#bounds.requestBytes} bytes: the largest was reset`);
    }
  }

  #forget(call: OpenCall): void {
    if (!this.#calls.delete(call.stream)) return;
    const { connection } = call;
    connection.calls.delete(call);
    connection.requestBytes -= call.requestBytes;
    this.#requestBytes -= call.requestBytes;
    this.#touch(connection);
  }

  #cut(call: OpenCall | undefined): void {
    if (call === undefined) return;
    this.#forget(call);
    cut(call.stream);
  }

  #touch(connection: OpenConnection): void {
    if (!this.#connections.delete(connection.session)) return;
    this.#connections.set(connection.session, connection);
  }

  #most(measure: (connection: OpenConnection) => number): OpenConnection {
    const found = most(this.#connections.values(), measure);
    if (found === undefined) throw new Error("a call is open without a connection");
    return found;
  }

  #sweepLater(): void {
    if (this.#isSweepDue) return;
    this.#isSweepDue = true;
    const sweep = (): void => {
      this.#isSweepDue = false;
      this.#sweepNow();
      if (this.#calls.size > 0 || this.#told.size > 0) this.#sweepLater();
    };
    systemClock.after(this.#bounds.stuckMs, sweep);
  }

  #sweepNow(): void {
    let closed = 0;
    for (const call of this.#calls.values()) {
      if (!isStuck(call)) {
        call.wasStuck = false;
      } else if (call.wasStuck) {
        this.#cut(call);
        closed++;
      } else {
        call.wasStuck = true;
      }
    }
    if (closed > 0) this.#onBound(`${closed} calls were closed: their clients took no answer`);
    for (const [words, more] of this.#told) {
      if (more > 0) this.#onBound(`${words}; and ${more} times more`);
      if (more > 0) this.#told.set(words, 0);
      else this.#told.delete(words);
    }
  }
}

function isStuck({ stream, hasEnded, sendsMany }: OpenCall): boolean {
  // grpc-js itself ends the calls that it refuses, and those whose deadline has passed.
  return hasEnded || stream.writableEnded || (!sendsMany && !stream.readableEnded);
}

/**
 * Has a session destroyed after the bytes that are being read. Node 22.23.3 destroys it at once for a wrong
 * content-length, and aborts the process when a new call comes in the same bytes
 * (https://github.com/nodejs/node/issues/64850).
 */
function destroyAfterRead(session: ServerHttp2Session): void {
  const destroy = session.destroy.bind(session);
  session.destroy = (...how) => void setImmediate(() => destroy(...how));
}

/** Ends a stream now, also where nothing that waits in it can leave. Its client hears RESOURCE_EXHAUSTED. */
export function cut(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  stream.destroy();
}

/** Answers in headers alone, which no window holds back. */
function refuse(stream: ServerHttp2Stream, words: string): void {
  stream.on("error", () => {});
  if (stream.destroyed || stream.closed) return;
  const head = {
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": String(Code.ResourceExhausted),
    "grpc-message": encodeURI(words),
  };
  stream.once("finish", () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
  stream.respond(head, { endStream: true });
}

function sizeOf(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) bytes += name.length + String(headers[name]).length;
  return bytes;
}

function find<T>(items: Iterable<T>, isIt: (item: T) => boolean): T | undefined {
  for (const item of items) if (isIt(item)) return item;
  return undefined;
}

/** The first of those with the highest measure. */
function most<T>(items: Iterable<T>, measure: (item: T) => number): T | undefined {
  let found: T | undefined;
  let highest = -Infinity;
  for (const item of items) {
    const height = measure(item);
    if (height <= highest) continue;
    found = item;
    highest = height;
  }
  return found;
}
