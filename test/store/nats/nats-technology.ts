import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { storeLimits } from "../../../src/store/limits.js";
import { openNatsStore } from "../../../src/store/nats/nats-store.js";
import { streamNames } from "../../../src/store/nats/streams.js";
import type { StoreTechnology } from "../../contract/store/technology.js";
import type { NatsCluster } from "../../support/nats-cluster.js";
import type { NatsServer } from "../../support/nats-server.js";
import { optionsFor } from "./open-link.js";
import { newPrefix } from "./peers/open-peers.js";

type Servers = NatsServer | NatsCluster;

/**
 * Stores over servers. One folder after the other has the same streams, which are emptied: three servers take
 * long to make them.
 */
export function natsTechnology(name: string, servers: () => Servers): StoreTechnology {
  const prefix = newPrefix();
  let lastFolder: string | undefined;
  return {
    name,
    isDurable: true,
    keepsCopies: true,
    async open({ folder, clock, limits }) {
      if (lastFolder !== undefined && folder !== lastFolder) await empty(servers(), prefix);
      lastFolder = folder;
      return openNatsStore({
        nats: optionsFor(servers(), { prefix }),
        version: "1.2.3",
        clock,
        limits: { ...storeLimits, maxMailBytes: 16 * 1024 * 1024, ...limits },
        tell: () => {},
      });
    },
  };
}

async function empty({ clientOptions }: Servers, prefix: string): Promise<void> {
  const connection = await connect({ ...clientOptions });
  const { streams } = await jetstreamManager(connection);
  const { mail, receipts, peers } = streamNames(prefix);
  await Promise.all([mail, receipts, peers].map((stream) => streams.purge(stream)));
  await connection.close();
}
