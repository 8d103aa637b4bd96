import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BrokerService,
  type GetServerInfoResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { MessageRecord } from "../../gen/peerline/v1/message_pb.js";
import type { Peer } from "../../gen/peerline/v1/peer_pb.js";
import { createClient, openChannel, type Client } from "../../src/rpc/client.js";

/** What the operator of a home's broker sees, asked for anew each time: brokers come and go. */
export class Operator {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  async peers(): Promise<Peer[]> {
    return this.#ask(async (client) => (await client.listPeers({ pageSize: 1000 })).peers);
  }

  /** The id of the peer of this name. */
  async peerId(name: string): Promise<string> {
    const peer = (await this.peers()).find((known) => known.name === name);
    if (peer === undefined) throw new Error(`no peer is named ${name}`);
    return peer.peerId;
  }

  async info(): Promise<GetServerInfoResponse> {
    return this.#ask((client) => client.getServerInfo({}));
  }

  /** Every message, newest first. */
  async history(): Promise<MessageRecord[]> {
    return this.#ask(async (client) => {
      const records: MessageRecord[] = [];
      let pageToken = "";
      do {
        const page = await client.listMessages({ pageSize: 200, pageToken });
        records.push(...page.records);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return records;
    });
  }

  async #ask<T>(ask: (client: Client<typeof BrokerService>) => Promise<T>): Promise<T> {
    const token = (await readFile(join(this.#home, "operator.token"), "utf8")).trim();
    const channel = openChannel(`unix:${join(this.#home, "broker.sock")}`);
    try {
      const headers = () => ({ authorization: `Bearer ${token}` });
      return await ask(createClient(BrokerService, channel, { headers }));
    } finally {
      channel.close();
    }
  }
}
