import { setMaxListeners } from "node:events";
import { checkServerIdentity } from "node:tls";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import {
  connect,
  errors,
  jwtAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
  type Auth,
  type Authenticator,
  type ConnectionOptions,
  type NatsConnection,
  type TlsOptions,
} from "@nats-io/transport-node";
import { AbortScope } from "../../abort-scope.js";
import { StoreError } from "../../broker/store/store.js";
import { sleep, type Clock } from "../../clock.js";
import { Pulse } from "../../pulse.js";
import { explainApi, explainConnection, isPassing, tooOld } from "./link-error.js";
import {
  apiTimeoutMs,
  closeTimeoutMs,
  dialTimeoutMs,
  leastDialTimeoutMs,
  leastPayloadBytes,
  maxPingsOut,
  maxUnprovenMs,
  pingIntervalMs,
  proofIntervalMs,
  reconnectWaitMs,
  refusedWaitMs,
  startTimeoutMs,
} from "./limits.js";
import type { NatsLogin, NatsOptions } from "../../contract/nats-options.js";

/**
 * A connection to JetStream that comes back by itself, at whichever server there is:
 *
 * - `connected`: requests may be made.
 * - `lost`: the connection broke, or its server fell silent or was cut off from the others, and others are tried, for ever.
 * - `refused`: a server was reached that cannot be used, as it is too old. Others are tried, for ever.
 * - `closed`: for good.
 */
export type LinkState =
  | { readonly state: "connected"; readonly server: string; readonly version: string }
  | { readonly state: "lost" | "refused"; readonly sinceMs: number; readonly problem: string }
  | { readonly state: "closed" };

export interface LinkOptions {
  /** Of this program, for the servers' own lists of clients. */
  readonly version: string;
  readonly clock: Clock;
  /** How long it is tried at first, in milliseconds. Default `startTimeoutMs`. */
  readonly patienceMs?: number;
  /** Is told what a server complains about without ending the connection, as one sentence. */
  readonly onTrouble?: (sentence: string) => void;
}

/**
 * Connects, and waits some seconds for a cluster that is just starting. UNAVAILABLE where that fails:
 * the message says why, and names the setting that would help.
 */
export async function connectLink(options: NatsOptions, settings: LinkOptions): Promise<Link> {
  const { clock, patienceMs = startTimeoutMs } = settings;
  const deadlineMs = clock.monotonic() + patienceMs;
  const connectionOptions = optionsOf(options, settings.version, patienceMs);
  for (;;) {
    const attempt = await tryOnce(options, connectionOptions);
    if (attempt.connection !== undefined) {
      return new Link(attempt.connection, attempt.manager, options, settings);
    }
    const isOver = clock.monotonic() + reconnectWaitMs >= deadlineMs;
    if (isOver || !attempt.mayPass) throw attempt.error;
    await sleep(reconnectWaitMs * (1 + Math.random()));
  }
}

type Attempt =
  | { readonly connection: NatsConnection; readonly manager: JetStreamManager }
  | { readonly connection?: undefined; readonly error: StoreError; readonly mayPass: boolean };

/** Each server once, until one is reached; then whether JetStream can be used there. */
async function tryOnce(options: NatsOptions, how: ConnectionOptions): Promise<Attempt> {
  let connection: NatsConnection;
  try {
    connection = await connect(how);
  } catch (cause) {
    const mayPass = !(cause instanceof errors.AuthorizationError);
    return { error: explainConnection(cause, options), mayPass };
  }
  const unfit = unfitness(connection);
  if (unfit !== undefined) {
    // Another server of the cluster may do.
    const error = new StoreError("UNAVAILABLE", unfit);
    return givingUp(connection, { error, mayPass: options.servers.length > 1 });
  }
  const isOff = connection.info?.jetstream !== true;
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: apiTimeoutMs });
    await manager.getAccountInfo();
    return { connection, manager };
  } catch (cause) {
    const error = explainApi(cause, options, isOff);
    return givingUp(connection, { error, mayPass: isPassing(cause) });
  }
}

async function givingUp<T>(connection: NatsConnection, attempt: T): Promise<T> {
  await connection.close();
  return attempt;
}

/** Why a server cannot be used; undefined where it can. */
function unfitness({ info }: NatsConnection): string | undefined {
  if (info === undefined) return undefined;
  const old = tooOld(info.version);
  if (old !== undefined) return `The NATS server at ${info.host}:${info.port} ${old}`;
  if (info.max_payload >= leastPayloadBytes) return undefined;
  return `The NATS server at ${info.host}:${info.port} takes messages of ${info.max_payload} bytes: set its max_payload to at least ${leastPayloadBytes}.`;
}

/** See `LinkState`. */
export class Link implements AsyncDisposable {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly #options: NatsOptions;
  readonly #clock: Clock;
  readonly #onTrouble: (sentence: string) => void;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #changes = new Pulse();
  readonly #following: Promise<void>;
  readonly #proving: Promise<void>;
  readonly #closing = new AbortController();
  #state: LinkState;
  #loss = newLoss();
  #refusedWait: Disposable | undefined;
  /** A server that was left, as it was cut off from the others. */
  #left: string | undefined;

  constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    options: NatsOptions,
    { clock, onTrouble = () => {} }: LinkOptions,
  ) {
    this.connection = connection;
    this.manager = manager;
    this.#options = options;
    this.#clock = clock;
    this.#onTrouble = onTrouble;
    this.#state = connectedTo(connection);
    this.#following = this.#follow();
    this.#proving = this.#prove();
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Aborts when the connection that there is now is lost, with a StoreError; aborted while there is none. */
  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  /** Whether it is connected, now or within that time. */
  async whenConnected(withinMs: number): Promise<boolean> {
    using time = new AbortScope([], Math.max(withinMs, 0));
    while (this.#state.state !== "connected") {
      if (this.#state.state === "closed" || time.signal.aborted) return false;
      await this.#changes.next(time.signal).catch(() => {});
    }
    return true;
  }

  /** Tells of each change, until it is disposed. */
  watch(listener: (state: LinkState) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Lets what is on its way end, for a while. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#refusedWait?.[Symbol.dispose]();
    if (this.#state.state === "connected") {
      using time = new AbortScope([], closeTimeoutMs);
      const tooLong = new Promise<void>((resolve) => {
        time.signal.addEventListener("abort", () => resolve());
      });
      await Promise.race([this.connection.drain().catch(() => {}), tooLong]);
    }
    await this.connection.close();
    await Promise.all([this.#following, this.#proving]);
  }

  /** The client tells what becomes of its connection until it is closed. */
  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case "staleConnection":
          this.#lose("The NATS server fell silent.");
          break;
        case "disconnect":
          this.#lose("The connection to NATS was lost.");
          break;
        case "reconnect":
          this.#meet();
          break;
        case "error":
          this.#complain(status.error);
          break;
        default:
      }
    }
    this.#become({ state: "closed" });
  }

  /**
   * Asks again and again what only a server answers that reaches a majority of the others. One that was cut off
   * keeps its connections, its streams' readers hear its heartbeats, and it answers with what was true before.
   */
  async #prove(): Promise<void> {
    let unprovenSinceMs: number | undefined;
    for (;;) {
      await sleep(proofIntervalMs, this.#closing.signal).catch(() => {});
      if (this.#closing.signal.aborted) return;
      const { lost } = this;
      const askedMs = this.#clock.monotonic();
      const isProven = await this.manager.getAccountInfo().then(
        () => true,
        (cause: unknown) => !isPassing(cause),
      );
      if (isProven || lost.aborted) {
        unprovenSinceMs = undefined;
        continue;
      }
      unprovenSinceMs ??= askedMs;
      if (this.#clock.monotonic() - unprovenSinceMs < maxUnprovenMs) continue;
      unprovenSinceMs = undefined;
      this.#left = this.connection.getServer();
      this.#lose("The NATS server reaches no majority of the others.");
      await this.connection.reconnect().catch(() => {});
    }
  }

  #meet(): void {
    const left = this.#left;
    this.#left = undefined;
    if (left !== undefined && left === this.connection.getServer()) {
      // The client may take the same one first; then it takes the next.
      void this.connection.reconnect().catch(() => {});
      return;
    }
    const unfit = unfitness(this.connection);
    if (unfit === undefined) {
      this.#loss = newLoss();
      this.#become(connectedTo(this.connection));
      return;
    }
    this.#become({ state: "refused", sinceMs: this.#sinceMs(), problem: unfit });
    // The next server may do; this one may be replaced.
    this.#refusedWait = this.#clock.after(refusedWaitMs * Math.random(), () => {
      void this.connection.reconnect().catch(() => {});
    });
  }

  #lose(problem: string): void {
    this.#refusedWait?.[Symbol.dispose]();
    // Why a server refused says more than that the connection to it has ended since.
    if (this.#state.state === "connected") {
      this.#become({ state: "lost", sinceMs: this.#clock.now(), problem });
    }
  }

  #complain(error: Error): void {
    // Servers are asked for their configuration on the chance that they tell it.
    if (error instanceof errors.PermissionViolationError && error.subject.startsWith("$SYS."))
      return;
    const { message } = explainConnection(error, this.#options);
    this.#onTrouble(message);
    if (this.#state.state === "lost" || this.#state.state === "refused") {
      this.#become({ ...this.#state, problem: message });
    }
  }

  #sinceMs(): number {
    return "sinceMs" in this.#state ? this.#state.sinceMs : this.#clock.now();
  }

  #become(state: LinkState): void {
    this.#state = state;
    if (state.state !== "connected" && !this.#loss.signal.aborted) {
      const problem = "problem" in state ? state.problem : "The connection to NATS is closed.";
      this.#loss.abort(new StoreError("UNAVAILABLE", problem));
    }
    this.#changes.beat();
    if (this.#closing.signal.aborted) return;
    for (const listener of this.#listeners) listener(state);
  }
}

/** All that is under way listens to it. */
function newLoss(): AbortController {
  const loss = new AbortController();
  setMaxListeners(0, loss.signal);
  return loss;
}

function connectedTo(connection: NatsConnection): LinkState {
  const version = connection.info?.version ?? "";
  return { state: "connected", server: connection.getServer(), version };
}

function optionsOf(options: NatsOptions, version: string, patienceMs: number): ConnectionOptions {
  const { servers, requireTls } = options;
  return {
    servers: [...servers],
    name: `peerline ${version}`,
    // Each server has its turn, also where nothing comes back from the first ones.
    timeout: Math.max(leastDialTimeoutMs, Math.min(dialTimeoutMs, patienceMs / servers.length)),
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => reconnectWaitMs * (1 + Math.random()),
    // Who is not let in today may be tomorrow: the operator may have repaired it.
    ignoreAuthErrorAbort: true,
    pingInterval: pingIntervalMs,
    maxPingOut: maxPingsOut,
    noAsyncTraces: true,
    ...(options.login() === undefined ? {} : { authenticator: authenticatorOf(options.login) }),
    ...(requireTls ? { tls: tlsOf(options) } : {}),
  };
}

/** Asks for the login at each connection. While it cannot be had, or is damaged, the last one counts. */
function authenticatorOf(login: NatsOptions["login"]): Authenticator {
  let last: ((nonce?: string) => Auth) | undefined;
  return (nonce) => {
    try {
      const now = login();
      if (now === undefined) throw new Error("the login is gone");
      const next = prove(now);
      const proof = next(nonce);
      last = next;
      return proof;
    } catch (error) {
      // The client would end itself for good.
      if (last === undefined) throw error;
      return last(nonce);
    }
  };
}

function prove(login: NatsLogin): (nonce?: string) => Auth {
  switch (login.kind) {
    case "credentials":
      return jwtAuthenticator(login.jwt, Buffer.from(login.seed));
    case "nkey":
      return nkeyAuthenticator(Buffer.from(login.seed));
    case "password":
      return usernamePasswordAuthenticator(login.user, login.password);
    case "token":
      return tokenAuthenticator(login.token);
  }
}

/**
 * The client gives TLS no name of a server that is known by its IP address. TLS would then look for
 * "localhost" in the certificate. So whoever is an address must have one of those that were named.
 */
function tlsOf({ tls, servers }: NatsOptions): TlsOptions {
  const hosts = servers.map((server) => server.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const check: typeof checkServerIdentity = (name, certificate) => {
    if (name !== "localhost") return checkServerIdentity(name, certificate);
    const failures = hosts.map((host) => checkServerIdentity(host, certificate));
    return failures.some((failure) => failure === undefined) ? undefined : failures[0];
  };
  // It hands on whatever else TLS takes.
  return { ...tls, checkServerIdentity: check } as TlsOptions;
}
