import type { Http2SecureServer, Http2Server } from "node:http2";
import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import {
  logVerbosity,
  Server,
  ServerCredentials,
  setLogVerbosity,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { AbortScope } from "../abort-scope.js";
import { sleep } from "../clock.js";
import { ignoreCancelledCalls, noteCallStream } from "./call-stream.js";
import { asIs, methodPath } from "./codec.js";
import type { HandlerContext } from "./context.js";
import { Code, messageOf, RpcError } from "./error.js";
import { describePlainly, describeUnknownMethods, type DescribeFault } from "./fault.js";
import {
  answerOnce,
  answerStream,
  type Admit,
  type AnyHandler,
  type OnDefect,
  type Route,
} from "./incoming-call.js";
import {
  keepaliveTimeMs,
  keepaliveTimeoutMs,
  maxCalls,
  maxCallsOfConnection,
  maxConnections,
  maxHandlerEndMs,
  maxHelperStreams,
  maxMessageBytes,
  maxRequestBytes,
  maxUnreadBytes,
  stuckCallMs,
} from "./limits.js";
import { OpenStreams, type OnBound, type OpenBounds } from "./open-streams.js";
import { Strangers, type StrangerBounds } from "./strangers.js";
import type { TlsCredentials } from "./tls-server.js";
import { UnreadResponses } from "./unread.js";

export type { ClientConnection, Connection } from "./call-stream.js";
export type { HandlerContext } from "./context.js";
export type { Admit, Admission } from "./incoming-call.js";
export type { StrangerBounds } from "./strangers.js";
export { TlsCredentials, type ServerCertificate } from "./tls-server.js";

export interface RpcServer {
  /**
   * Takes calls on `unix:/path` or `host:port`. UNAVAILABLE where that cannot be had, for example because it is in use.
   *
   * @param tls without which nothing is encrypted
   */
  listen(address: string, tls?: ListenTls): Promise<void>;
  /**
   * Takes no more calls, lets those that run end, and cuts off what still runs after `graceMs`. Resolves
   * when the sockets are closed and the handlers have ended (those that ignore their signal excepted).
   * The first call counts.
   */
  stop(graceMs: number): Promise<void>;
}

/** How a server listens over TLS. */
export interface ListenTls extends StrangerBounds {
  readonly credentials: TlsCredentials;
}

/**
 * The handlers of a service. A unary one returns a promise; one that streams is an async generator, whose
 * `finally` runs however the call ends, once its signal or its caller lets it. To refuse, throw an
 * RpcError.
 */
export type ServiceImpl<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Handler<Service["method"][Name]>;
};

type Handler<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: HandlerContext) => Promise<MessageInitShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: HandlerContext) => AsyncIterable<MessageInitShape<O>>
      : Method extends DescMethodClientStreaming<infer I, infer O>
        ? (
            requests: AsyncIterable<MessageShape<I>>,
            context: HandlerContext,
          ) => Promise<MessageInitShape<O>>
        : Method extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageShape<I>>,
              context: HandlerContext,
            ) => AsyncIterable<MessageInitShape<O>>
          : never;

/** A service with its handlers. */
export interface ServedService {
  readonly service: DescService;
  /** Its functions, by the methods' `localName`. */
  readonly impl: object;
}

export function serve<Service extends DescService>(
  service: Service,
  impl: ServiceImpl<Service>,
): ServedService {
  return { service, impl };
}

/** Streams that one server answers beside its own work, of one kind: a bounded number runs at once. */
export class HelperStreams {
  readonly #kind: string;
  #open = 0;

  /** @param kind for example "watches of health" */
  constructor(kind: string) {
    this.#kind = kind;
  }

  /** Lets a stream run; RESOURCE_EXHAUSTED where it is one too many. */
  async *run<T>(stream: AsyncIterable<T>): AsyncGenerator<T, void> {
    if (this.#open >= maxHelperStreams) {
      throw new RpcError(Code.ResourceExhausted, `${maxHelperStreams} ${this.#kind} are open.`);
    }
    this.#open++;
    try {
      yield* stream;
    } finally {
      this.#open--;
    }
  }
}

/**
 * @param options.onDefect hears of every error of a handler that is no RpcError; its caller hears a bare INTERNAL.
 * @param options.keepaliveTimeMs of silence after which a client is asked whether it is alive. Default: for a socket.
 * @param options.onBound hears when clients have more open than they may, at most twice in `stuckMs` of each bound.
 */
export function createServer(options: {
  services: readonly ServedService[];
  onDefect: OnDefect;
  /** What may be written and not taken by its readers, over all calls, in bytes. Default: `maxUnreadBytes`. */
  maxUnreadBytes?: number;
  keepaliveTimeMs?: number;
  onBound?: OnBound;
  /** Says why a call failed that no handler refused. Default: without details. */
  describe?: DescribeFault;
  /** What its clients may have open; what is left out has its default in `limits.ts`. */
  bounds?: Partial<OpenBounds>;
  /** Is asked before the handler of each call. Default: nothing is refused. */
  admit?: Admit;
}): RpcServer {
  // grpc-js would print each header that it cannot take to stderr, with its value: a token, or what fills the disk.
  setLogVerbosity(logVerbosity.NONE);
  const { describe = describePlainly } = options;
  const open = new OpenStreams({
    bounds: {
      connections: maxConnections,
      calls: maxCalls,
      requestBytes: maxRequestBytes,
      stuckMs: stuckCallMs,
      ...options.bounds,
    },
    onBound: options.onBound ?? (() => {}),
    sendsMany: new Set(
      options.services.flatMap(({ service }) =>
        service.methods.filter(takesMany).map((method) => methodPath(method)),
      ),
    ),
  });
  const server = new Server({
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": maxCallsOfConnection,
    "grpc.keepalive_time_ms": options.keepaliveTimeMs ?? keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    interceptors: [noteCallStream(open, describe), ignoreCancelledCalls],
    // Channelz stays on: without it forceShutdown of grpc-js 1.14 finds no connection to close.
  });
  describeUnknownMethods(server, describe);
  const running = new Set<Promise<void>>();
  const strangers = new Strangers();
  const unread = new UnreadResponses(options.maxUnreadBytes ?? maxUnreadBytes);
  for (const { service, impl } of options.services) {
    const routes = service.methods.map((method) => {
      const handler: AnyHandler = Reflect.get(impl, method.localName);
      return {
        method,
        handler: handler.bind(impl),
        onDefect: options.onDefect,
        describe,
        unread,
        open,
        admit: options.admit ?? (() => undefined),
        strangers,
      };
    });
    addRoutes(server, routes, running);
  }
  let stopped: Promise<void> | undefined;
  return {
    listen: (address, tls) => listen({ server, open, strangers }, address, tls),
    stop: (graceMs) => (stopped ??= stop(server, open, running, graceMs)),
  };
}

function addRoutes(server: Server, routes: readonly Route[], running: Set<Promise<void>>): void {
  const track = (answered: Promise<void>) => {
    running.add(answered);
    void answered.finally(() => running.delete(answered));
  };
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const route of routes) {
    const { name, methodKind } = route.method;
    const responseStream = methodKind === "server_streaming" || methodKind === "bidi_streaming";
    definition[name] = {
      path: methodPath(route.method),
      requestStream: takesMany(route.method),
      responseStream,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    implementation[name] = responseStream
      ? (call: ServerDuplexStream<Buffer, Buffer>) => track(answerStream(route, call))
      : (call: ServerReadableStream<Buffer, Buffer>, respond: sendUnaryData<Buffer>) =>
          track(answerOnce(route, call, respond));
  }
  server.addService(definition, implementation);
}

function takesMany({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

async function listen(
  { server, open, strangers }: { server: Server; open: OpenStreams; strangers: Strangers },
  address: string,
  tls: ListenTls | undefined,
): Promise<void> {
  const before = new Set(http2ServersOf(server));
  try {
    await new Promise<void>((resolve, reject) => {
      const credentials = tls?.credentials ?? ServerCredentials.createInsecure();
      server.bindAsync(address, credentials, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  } catch (cause) {
    const message = `Cannot listen on ${address}: ${messageOf(cause)}`;
    throw new RpcError(Code.Unavailable, message, { cause });
  }
  for (const bound of http2ServersOf(server)) {
    if (before.has(bound)) continue;
    open.guard(bound);
    if (tls !== undefined) {
      strangers.guard(bound as Http2SecureServer, tls, (words) => open.tell(words));
    }
  }
}

/** grpc-js 1.14 keeps them in a private field, and shows neither connections nor streams elsewhere. */
function http2ServersOf(server: Server): Iterable<Http2Server> {
  return (Reflect.get(server, "http2Servers") as Map<Http2Server, unknown>).keys();
}

async function stop(
  server: Server,
  open: OpenStreams,
  running: Set<Promise<void>>,
  graceMs: number,
): Promise<void> {
  // Not as grpc-js 1.14 tells it: it waits for ever where a session was ended just before.
  const closed = Promise.all(
    Array.from(http2ServersOf(server), (bound) => {
      return new Promise((resolve) => bound.once("close", resolve));
    }),
  );
  server.tryShutdown(() => {});
  if (await within(graceMs, Promise.all([closed, allEnded(running)]))) return;
  server.forceShutdown();
  // What was written last is given time to leave.
  if (await within(maxHandlerEndMs, Promise.all([closed, allEnded(running)]))) return;
  open.cutOff();
  await closed;
}

async function allEnded(running: Set<Promise<void>>): Promise<void> {
  while (running.size > 0) await Promise.all(running);
}

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  using waiting = new AbortScope([]);
  const timeOver = sleep(ms, waiting.signal).then(() => false);
  return await Promise.race([work.then(() => true), timeOver]);
}
