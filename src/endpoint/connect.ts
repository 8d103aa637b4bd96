import { statSync } from "node:fs";
import { AbortScope } from "../abort-scope.js";
import { BackOff } from "../back-off.js";
import type { Connection } from "../client/attachment.js";
import { createBrokerClient } from "../client/broker-client.js";
import { openChannel } from "../rpc/client.js";
import { Code, hasCode } from "../rpc/error.js";
import { askInTurn } from "./ask-in-turn.js";
import { probeSocket, waitForSocket } from "./broker-socket.js";
import { placesText, type BrokerPlace, type Config } from "./config.js";
import { EndpointError, explainStorage } from "./endpoint-error.js";
import { checkHomePath, hasHome, openHome, type Home } from "./home.js";
import { answerTimeoutMs, connectTimeoutMs, maxRetryDelayMs, minRetryDelayMs } from "./limits.js";
import { startBroker } from "./start-broker.js";
import { askJoinedBroker } from "./joined-channel.js";
import { claimStart, recentStartFailure } from "./start-turn.js";

/**
 * Finds the broker, and starts one where that is wanted and the endpoint is the home's own. Brokers that
 * PEERLINE_BROKER names, or one of another machine that the home has joined, are asked in turn, each once.
 *
 * 1. Ask the endpoint. An answer ends the search.
 * 2. Where nothing listens and no other process is about to start a broker, start one. If it listens,
 *    ask again.
 * 3. Otherwise the socket of another process's broker is about to show up, or the lock of one that ends
 *    is about to be freed. Wait for the socket, each time a little longer.
 * 4. Begin again, until the time is up.
 *
 * Any number of processes may do this at once: the home's lock lets one broker through.
 */
export async function connectBroker(options: {
  config: Config;
  /** Absolute path of the program, which is run as `node program broker`. */
  program: string;
  /** Whether a broker may be started when none answers. */
  start: boolean;
  /** It is not started again soon after it failed. For callers that retry by themselves. */
  paced?: boolean;
  signal?: AbortSignal;
}): Promise<Connection> {
  const seen = { isHeld: false };
  using search = new AbortScope(options.signal ? [options.signal] : [], connectTimeoutMs);
  try {
    return await findBroker({ ...options, seen, signal: search.signal });
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (!search.isTimeUp || cause instanceof EndpointError) throw cause;
    const held = "; a process holds the home all the same: `peerline doctor` names it";
    throw unreachable(
      placesText(options.config),
      `did not answer within ${connectTimeoutMs} ms${seen.isHeld ? held : ""}`,
      cause,
    );
  }
}

async function findBroker(options: {
  config: Config;
  program: string;
  start: boolean;
  paced?: boolean;
  /** Is told whether another process held the home when a broker was last started. */
  seen: { isHeld: boolean };
  signal: AbortSignal;
}): Promise<Connection> {
  const { config, program, paced = false, signal } = options;
  if (!config.ownsBroker) return askInTurn(config.places, askPlace, signal);
  // Whoever only looks makes no home.
  if (!options.start && !hasHome(config.home)) {
    checkHomePath(config.home);
    throw unreachable(config.endpoint, "is not running");
  }
  const home = openHome(config.home);
  const { socketPath } = home;
  const backOff = new BackOff({ firstMs: minRetryDelayMs, maxMs: maxRetryDelayMs });
  for (;;) {
    const connection = await askBroker(socketPath, signal);
    if (connection !== undefined) return connection;
    if (!options.start) throw unreachable(config.endpoint, "is not running");
    const outcome = await startUnlessClaimed({ home, program, config, paced, signal });
    if (outcome !== "claimed") options.seen.isHeld = outcome === "held";
    if (outcome === "listening") {
      const started = await askBroker(socketPath, signal);
      if (started !== undefined) return started;
    }
    await waitForSocket(socketPath, backOff.nextMs(), signal);
  }
}

/** Asks once. A broker that is none of this home's own is started by nobody here. */
async function askPlace(
  { endpoint, socketPath, joined }: BrokerPlace,
  signal: AbortSignal,
): Promise<Connection> {
  if (joined !== undefined) return askJoinedBroker(joined, signal);
  requireOwnSocket(socketPath ?? "");
  const connection = await askBroker(socketPath ?? "", signal);
  if (connection === undefined) throw unreachable(endpoint, "is not running");
  return connection;
}

/** Secrets prove who a caller is, so they must not reach another user's process. */
function requireOwnSocket(path: string): void {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === process.getuid?.()) return;
  throw new EndpointError(
    "BROKER_UNREACHABLE",
    `PEERLINE_BROKER names ${path}, which belongs to another user: name a socket of your own.`,
  );
}

/** What became of a start from here; `claimed` where another process starts one. */
async function startUnlessClaimed(options: {
  home: Home;
  program: string;
  config: Config;
  paced: boolean;
  signal: AbortSignal;
}): Promise<"listening" | "held" | "claimed"> {
  const { home, program, config, paced, signal } = options;
  try {
    using claim = claimStart(home.startClaimPath);
    if (claim === undefined) return "claimed";
    const failure = paced ? recentStartFailure(home.startFailurePath) : undefined;
    if (failure !== undefined) throw failure;
    return await startBroker({ home, program, environment: config.brokerEnvironment, signal });
  } catch (error) {
    throw explainStorage(error, home.path);
  }
}

/** A connection; undefined where nothing listens, or what listened is about to end. */
async function askBroker(socketPath: string, signal: AbortSignal): Promise<Connection | undefined> {
  if (!(await probeSocket(socketPath, signal))) return undefined;
  const endpoint = `unix:${socketPath}`;
  const channel = openChannel(endpoint);
  try {
    const client = createBrokerClient(channel);
    const info = await client.getServerInfo({}, { signal, timeoutMs: answerTimeoutMs });
    const close = async () => channel.close();
    return { endpoint, client, channel, info, close, [Symbol.asyncDispose]: close };
  } catch (cause) {
    channel.close();
    signal.throwIfAborted();
    if (hasCode(cause, Code.Unavailable)) return undefined;
    throw unreachable(endpoint, "listens but does not answer", cause);
  }
}

function unreachable(endpoint: string, what: string, cause?: unknown): EndpointError {
  return new EndpointError("BROKER_UNREACHABLE", `The broker at ${endpoint} ${what}.`, { cause });
}
