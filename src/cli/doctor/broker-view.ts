import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type {
  GetServerInfoResponse,
  ListMachinesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { AbortScope } from "../../abort-scope.js";
import { CodedError } from "../../coded-error.js";
import { probeSocket } from "../../endpoint/broker-socket.js";
import { visibleLine } from "../../contract/peer-text.js";
import { usingPlace, type BrokerPlace, type Config } from "../../endpoint/config.js";
import { connectBroker } from "../../endpoint/connect.js";
import { EndpointError, errnoOf } from "../../endpoint/endpoint-error.js";
import { answerTimeoutMs } from "../../endpoint/limits.js";
import { readSecretFile } from "../../endpoint/secrets.js";
import { Code, hasCode, messageOf, RpcError } from "../../rpc/error.js";
import { CliError, reasonOf } from "../failure.js";
import { callTimeoutMs } from "../limits.js";
import { connectAsOperator, listPeers, searchHistory } from "../operator.js";
import type { HomeView } from "./check-home.js";

/** The broker as far as it can be seen. None is started for it. */
export type BrokerView =
  | { readonly state: "absent" }
  /** A socket is there, and nobody behind it. */
  | { readonly state: "left" }
  /** In the socket's place is something else, or another user's socket. */
  | { readonly state: "foreign" }
  /** It takes connections and does not answer. */
  | { readonly state: "silent" }
  /** It is on another machine, and was not reached, or let nobody in; `why` is for people. */
  | { readonly state: "away"; readonly why: string }
  /** There is no way to ask it; `why` is for people. */
  | { readonly state: "unseen"; readonly why: string }
  | RunningBroker;

export interface RunningBroker {
  readonly state: "running";
  readonly info: GetServerInfoResponse;
  readonly peers: readonly Peer[];
  /** When the newest message was accepted; undefined where there is none. */
  readonly newestMs: number | undefined;
  /** Where it listens to other machines; undefined where it is one of them that asks, or it is too old to say. */
  readonly sharing?: ListMachinesResponse | undefined;
}

export async function lookAtBroker(options: {
  config: Config;
  program: string;
  home: HomeView;
  signal: AbortSignal;
}): Promise<BrokerView> {
  const { config, home, signal } = options;
  if (config.socketPath === undefined) return askAway(options);
  if (config.ownsBroker && home.state !== "usable") return { state: "absent" };
  try {
    const path = config.socketPath;
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return { state: "absent" };
    if (!stats.isSocket() || stats.uid !== process.getuid?.()) return { state: "foreign" };
    using probe = new AbortScope([signal], answerTimeoutMs);
    if (!(await probeSocket(path, probe.signal))) return { state: "left" };
    const token = join(config.home, "operator.token");
    if (existsSync(token) && (await readSecretFile(token)) === undefined) {
      return { state: "unseen", why: `${token} is no file with a token.` };
    }
    return await ask(options).catch((error: unknown) => {
      // The socket may be forwarded from another machine, whose token is there.
      if (config.ownsBroker || !isStranger(error)) throw error;
      return askAsStranger(options);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EndpointError && error.code === "BROKER_UNREACHABLE") {
      return { state: "silent" };
    }
    return { state: "unseen", why: reason(error) };
  }
}

/** One of several places that PEERLINE_BROKER names. */
export interface PlaceView {
  readonly place: BrokerPlace;
  readonly endpoint: string;
  /** Of the broker that answers there; undefined where none does. */
  readonly version: string | undefined;
  /** Why it was not reached, for people. */
  readonly why: string | undefined;
}

/** In characters. */
const maxShownVersion = 40;

/** Asks at each of several places, all at once; nothing where there is one. */
export async function lookAtPlaces(
  config: Config,
  program: string,
  signal: AbortSignal,
): Promise<PlaceView[]> {
  if (config.places.length === 1) return [];
  const look = async (place: BrokerPlace): Promise<PlaceView> => {
    const { endpoint } = place;
    try {
      const asked = { config: usingPlace(config, place), program, start: false, signal };
      await using connection = await connectBroker(asked);
      const version = visibleLine(connection.info.version).slice(0, maxShownVersion);
      return { place, endpoint, version, why: undefined };
    } catch (error) {
      signal.throwIfAborted();
      return { place, endpoint, version: undefined, why: reason(error) };
    }
  };
  return Promise.all(config.places.map(look));
}

/** A broker of another machine. Its machines see what their scope lets them see. */
async function askAway(options: {
  config: Config;
  program: string;
  signal: AbortSignal;
}): Promise<BrokerView> {
  try {
    await using operator = await connectAsOperator(options);
    const peers = await listPeers(operator, false);
    return { state: "running", info: operator.info, peers, newestMs: undefined };
  } catch (error) {
    options.signal.throwIfAborted();
    return { state: "away", why: reason(error) };
  }
}

async function ask(options: {
  config: Config;
  program: string;
  signal: AbortSignal;
}): Promise<RunningBroker> {
  await using operator = await connectAsOperator(options);
  const peers = await listPeers(operator, false);
  const { info } = operator;
  // What an engine keeps that is gone is not asked for: that would wait for it.
  if (info.store?.writable === false && info.store.technology !== "sqlite") {
    return { state: "running", info, peers, newestMs: undefined };
  }
  const { records } = await searchHistory(operator, 1);
  const acceptTime = records[0]?.message?.acceptTime;
  const newestMs = acceptTime === undefined ? undefined : timestampMs(acceptTime);
  const sharing = await operator.client
    .listMachines({}, { timeoutMs: callTimeoutMs })
    .catch((error: unknown) => {
      if (hasCode(error, Code.Unimplemented)) return undefined;
      throw error;
    });
  return { state: "running", info, peers, newestMs, sharing };
}

/** This home has no token of the operator, or another broker's. */
function isStranger(error: unknown): boolean {
  if (error instanceof CliError) return error.code === "NO_OPERATOR_TOKEN";
  return reasonOf(error) === "TOKEN_INVALID";
}

/** What a broker tells anybody who reaches its socket. */
async function askAsStranger(options: {
  config: Config;
  program: string;
  signal: AbortSignal;
}): Promise<RunningBroker> {
  await using connection = await connectBroker({ ...options, start: false });
  return { state: "running", info: connection.info, peers: [], newestMs: undefined };
}

/** Why it could not be asked. A defect is none of the reasons. */
function reason(error: unknown): string {
  if (error instanceof CodedError || error instanceof RpcError) return error.message;
  if (errnoOf(error) === undefined) throw error;
  return messageOf(error);
}
