import { hostname, userInfo } from "node:os";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind, type Peer } from "../../gen/peerline/v1/peer_pb.js";
import type { Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { openHome } from "../endpoint/home.js";
import { openPersonSecret } from "../endpoint/secrets.js";
import { VERSION } from "../endpoint/version.js";
import { workingDirectory } from "../endpoint/working-directory.js";
import { createClient, type Client } from "../rpc/client.js";
import { callTimeoutMs } from "./limits.js";

/** The person at the terminal as a peer, with a session of the broker. */
export interface Person extends AsyncDisposable {
  /** Calls made with it are the person's own. */
  readonly client: Client<typeof BrokerService>;
  readonly peer: Peer;
  /** How many messages have not been shown yet. */
  countWaiting(): Promise<number>;
  /** Ends the session of all the person's processes, so that others see at once that nobody reads. */
  leave(): Promise<void>;
}

/**
 * Finds the broker or starts one, and registers the person. Every process of the person is one
 * instance to the broker, so that they share a session: that is why disposal ends the connection and
 * leaves the session to the others.
 */
export async function joinAsPerson(options: {
  config: Config;
  program: string;
  signal?: AbortSignal;
}): Promise<Person> {
  const secret = await openPersonSecret(openHome(options.config.home));
  const connection = await connectBroker({ ...options, start: true });
  const register = () =>
    connection.client.register(registration(secret), { timeoutMs: callTimeoutMs });
  try {
    const { peer, sessionToken } = await register();
    if (peer === undefined) throw new Error("the broker registered no peer");
    const headers = () => ({ authorization: `Bearer ${sessionToken}` });
    const client = createClient(BrokerService, connection.channel, { headers });
    return {
      client,
      peer,
      // Registering again changes nothing, and answers with the peer as it stands.
      countWaiting: async () => Number((await register()).peer?.waitingMessages ?? 0),
      leave: async () => {
        // Where it fails, the end of the connection says the same a little later.
        await client.unregister({}, { timeoutMs: callTimeoutMs }).catch(() => {});
      },
      [Symbol.asyncDispose]: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Without an instance id, the secret stands for the instance; the broker makes a name of the user's. */
function registration(secret: string) {
  return {
    secret,
    baseName: userName(),
    kind: PeerKind.PERSON,
    profile: {
      clientName: "peerline",
      clientVersion: VERSION,
      host: hostname(),
      cwd: workingDirectory() ?? "",
    },
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // The user id has no account, as in some containers.
    return "user";
  }
}
