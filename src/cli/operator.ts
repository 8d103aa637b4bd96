import {
  BrokerService,
  type GetServerInfoResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import type { Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { hasHome, openHome } from "../endpoint/home.js";
import { readOperatorToken } from "../endpoint/secrets.js";
import { createClient, type Client } from "../rpc/client.js";
import { CliError } from "./cli-error.js";
import { callTimeoutMs, peersPageSize } from "./limits.js";

/** A connection that sees everything. It never starts a broker. */
export interface Operator extends AsyncDisposable {
  /** Calls made with it are the operator's. */
  readonly client: Client<typeof BrokerService>;
  readonly info: GetServerInfoResponse;
}

export async function connectAsOperator(options: {
  config: Config;
  program: string;
  signal?: AbortSignal;
}): Promise<Operator> {
  const connection = await connectBroker({ ...options, start: false });
  try {
    const { home, endpoint } = options.config;
    // A broker elsewhere may answer where this home was never made.
    const token = hasHome(home) ? await readOperatorToken(openHome(home)) : undefined;
    if (token === undefined) {
      throw new CliError(
        "NO_OPERATOR_TOKEN",
        `The operator's token is not in ${home}: set PEERLINE_HOME to the home of the broker at ${endpoint}.`,
      );
    }
    const headers = () => ({ authorization: `Bearer ${token}` });
    return {
      client: createClient(BrokerService, connection.channel, { headers }),
      info: connection.info,
      [Symbol.asyncDispose]: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Every peer, online first. */
export async function listPeers(operator: Operator, onlineOnly: boolean): Promise<Peer[]> {
  const peers: Peer[] = [];
  let pageToken = "";
  do {
    const page = await operator.client.listPeers(
      { onlineOnly, pageSize: peersPageSize, pageToken },
      { timeoutMs: callTimeoutMs },
    );
    peers.push(...page.peers);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return peers;
}
