import { maxHistoryPageSize, maxPeersPageSize } from "../contract/limits.js";
import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  ListPeersResponseSchema,
  type GetServerInfoResponse,
  type ListMessagesRequest,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { MessageRecordSchema, type MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import { systemClock } from "../clock.js";
import { settings } from "../contract/settings.js";
import { answeredAt, readConfig, type Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { hasHome, openHome } from "../endpoint/home.js";
import { readOperatorToken } from "../endpoint/secrets.js";
import { createBrokerClient, type BrokerClient } from "../client/broker-client.js";
import type { CallOptions } from "../rpc/client.js";
import { CliError } from "./failure.js";
import { callTimeoutMs, listTimeoutMs, maxListBytes, maxListPages, maxSearched } from "./limits.js";

/** A connection that sees everything, or what this machine may see of a broker that it has joined. */
export interface Operator extends AsyncDisposable {
  /** Calls made with it are the operator's. */
  readonly client: BrokerClient;
  readonly info: GetServerInfoResponse;
  /** The settings, for the one broker that answered of those that they name. */
  readonly config: Config;
}

/** Without a `config`, to the broker that the settings name. None is started, unless `start` is set. */
export async function connectAsOperator(options: {
  config?: Config;
  program: string;
  start?: boolean;
  signal?: AbortSignal;
}): Promise<Operator> {
  const all = options.config ?? readConfig();
  const { start = false } = options;
  const connection = await connectBroker({ ...options, config: all, start });
  const { client, info } = connection;
  const config = answeredAt(all, connection.endpoint);
  if (config.joined !== undefined) {
    return { client, info, config, [Symbol.asyncDispose]: () => connection.close() };
  }
  try {
    const { home, endpoint } = config;
    // A broker elsewhere may answer where this home was never made.
    const token = hasHome(home) ? await readOperatorToken(openHome(home)) : undefined;
    if (token === undefined) {
      throw new CliError(
        "NO_OPERATOR_TOKEN",
        config.ownsBroker
          ? `The operator's token is not in ${home}: set PEERLINE_HOME to the home of the broker at ${endpoint}.`
          : `The operator's token of the broker at ${endpoint} is not in ${home}: run this on that broker's machine; if it is this one, set PEERLINE_HOME to its home.`,
      );
    }
    const headers = () => ({ authorization: `Bearer ${token}` });
    return {
      client: createBrokerClient(connection.channel, headers),
      info,
      config,
      [Symbol.asyncDispose]: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** What looks at peers and messages. */
export type HistoryClient = Pick<
  BrokerClient,
  "listMessages" | "getMessage" | "getPeer" | "listPeers"
>;

interface Looking {
  readonly client: HistoryClient;
}

/** Every peer, online first. LIST_ENDLESS where there are more than any broker has. */
export async function listPeers({ client }: Looking, onlineOnly: boolean): Promise<Peer[]> {
  const peers: Peer[] = [];
  let bytes = 0;
  const pages = pagesOf((pageToken, options) =>
    client.listPeers({ onlineOnly, pageSize: maxPeersPageSize, pageToken }, options),
  );
  for await (const page of pages) {
    peers.push(...page.peers);
    bytes += toBinary(ListPeersResponseSchema, page).byteLength;
    if (peers.length > settings.peers.most || bytes > maxListBytes) throw endless();
  }
  return peers;
}

/**
 * The pages of a list, one after the other. A hostile broker may name a next page for ever, or take its time for
 * each: so both are bounded for the list as a whole.
 */
async function* pagesOf<Page extends { readonly nextPageToken: string }>(
  ask: (pageToken: string, options: CallOptions) => Promise<Page>,
): AsyncGenerator<Page, void> {
  const endMs = systemClock.monotonic() + listTimeoutMs;
  let pageToken = "";
  for (let number = 0; number < maxListPages; number++) {
    const leftMs = endMs - systemClock.monotonic();
    if (leftMs <= 0) break;
    const page = await ask(pageToken, { timeoutMs: Math.min(callTimeoutMs, leftMs) });
    yield page;
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
  }
  throw endless();
}

function endless(): CliError {
  return new CliError(
    "LIST_ENDLESS",
    "The broker's list does not end: it has more than a list of a broker may have, or takes too long.",
  );
}

/** What each peer is called by now, by its id. A message has the names of its time. */
export async function namesNow(operator: Looking): Promise<ReadonlyMap<string, string>> {
  return new Map((await listPeers(operator, false)).map(({ peerId, name }) => [peerId, name]));
}

/** How many messages wait for these peers, counted once for each. */
export function countWaiting(peers: readonly Peer[]): number {
  return peers.reduce((sum, { waitingMessages }) => sum + Number(waitingMessages), 0);
}

/** Which messages are meant. The broker filters what it can; the rest is filtered here. */
export interface HistoryQuery extends Partial<
  Pick<ListMessagesRequest, "state" | "peer" | "threadId">
> {
  /** Accepted at this time or later. */
  readonly sinceMs?: number | undefined;
  readonly isWanted?: ((record: MessageRecord) => boolean) | undefined;
}

export interface History {
  /** Newest last. */
  readonly records: MessageRecord[];
  /** The search ended at its bound: there may be more. */
  readonly isCut: boolean;
}

/** The newest `number` messages that are meant, among the newest `maxSearched`. */
export async function searchHistory(
  operator: Looking,
  number: number,
  { sinceMs = 0, isWanted, ...request }: HistoryQuery = {},
): Promise<History> {
  // The same for each page: a page token is good for the same request only.
  const pageSize = isWanted ? maxHistoryPageSize : Math.min(number, maxHistoryPageSize);
  const records: MessageRecord[] = [];
  if (number === 0) return { records, isCut: false };
  let searched = 0;
  let bytes = 0;
  const pages = pagesOf((pageToken, options) =>
    operator.client.listMessages({ ...request, pageSize, pageToken }, options),
  );
  for await (const page of pages) {
    const recent = page.records.filter((record) => acceptMs(record) >= sinceMs);
    const wanted = isWanted ? recent.filter(isWanted) : recent;
    records.push(...wanted);
    // A clock that was set back may have put an older time above a newer: the page is looked at whole.
    if (records.length >= number || recent.length < page.records.length) break;
    searched += page.records.length;
    for (const record of wanted) bytes += toBinary(MessageRecordSchema, record).byteLength;
    const isLast = page.nextPageToken === "";
    if (!isLast && (searched >= maxSearched || bytes > maxListBytes)) {
      return { records: records.toReversed(), isCut: true };
    }
  }
  return { records: records.slice(0, number).toReversed(), isCut: false };
}

function acceptMs({ message }: MessageRecord): number {
  return message?.acceptTime ? timestampMs(message.acceptTime) : 0;
}
