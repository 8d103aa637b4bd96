import { systemClock } from "../../../../src/clock.js";
import { connectLink } from "../../../../src/store/nats/connect.js";
import { openPeers } from "../../../../src/store/nats/peers/peers.js";
import { Publisher } from "../../../../src/store/nats/publish.js";

// A broker's process with one session, until it is killed: `announcer SERVER PREFIX PEER_ID PRESENCE`.
const [server = "", prefix = "", peerId = "", presence = ""] = process.argv.slice(2);
const link = await connectLink(
  {
    servers: [server],
    requireTls: false,
    tls: {},
    login: () => undefined,
    prefix,
    replicas: 1,
    syncAlways: false,
  },
  { version: "1.2.3", clock: systemClock },
);
const { peers } = await openPeers({
  link,
  publisher: new Publisher({ link, clock: systemClock }),
  prefix,
  clock: systemClock,
  mail: { hasOpen: async () => false, isInvolved: async () => false },
  tell: () => {},
});
await peers.announce(peerId, JSON.parse(presence));
process.stdout.write("announced\n");
