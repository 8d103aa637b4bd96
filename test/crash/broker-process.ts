import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { sleep } from "../../src/clock.js";
import { readConfig } from "../../src/endpoint/config.js";
import { connectBroker } from "../../src/endpoint/connect.js";
import { createClient, type Client } from "../../src/rpc/client.js";
import { program } from "../support/program.js";
import type { StoredMessage } from "./checker.js";
import { isNotice, readLetter } from "./letter.js";
import { drainTimeoutMs } from "./limits.js";

/** The broker of a home, whichever process it is just now. */
export class BrokerProcess implements AsyncDisposable {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  /** Finds the broker, or starts one, as an adapter does. */
  async pid(): Promise<number> {
    await using connection = await this.#connect();
    return connection.info.pid;
  }

  /** Every message that peers sent, with where it stands once none is open any more, or time is over. */
  settle(): Promise<StoredMessage[]> {
    return settleStored((run) => this.#asOperator(run));
  }

  /** Stops the broker in good order. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = await this.#asOperator((client) => client.stopBroker({}));
    while (isAlive(pid)) await sleep(20);
  }

  async #asOperator<T>(run: (client: Client<typeof BrokerService>) => Promise<T>): Promise<T> {
    await using connection = await this.#connect();
    const token = (await readFile(join(this.#home, "operator.token"), "utf8")).trim();
    const headers = () => ({ authorization: `Bearer ${token}` });
    return await run(createClient(BrokerService, connection.channel, { headers }));
  }

  #connect() {
    const environment = { PATH: process.env["PATH"], HOME: this.#home, PEERLINE_HOME: this.#home };
    return connectBroker({ config: readConfig(environment), program, start: true });
  }
}

/** Every message that peers sent, with where it stands once none is open any more, or time is over. */
export async function settleStored(
  asOperator: <T>(run: (client: Client<typeof BrokerService>) => Promise<T>) => Promise<T>,
): Promise<StoredMessage[]> {
  const deadlineMs = Date.now() + drainTimeoutMs;
  for (;;) {
    const isOver = Date.now() > deadlineMs;
    if (isOver || (await asOperator(countWaiting)) === 0) {
      const stored = await asOperator(listStored);
      const isOpen = stored.some(({ receipts }) =>
        receipts.some(({ state }) => state <= presented),
      );
      if (isOver || !isOpen) return stored;
    }
    await sleep(500);
  }
}

const presented = ReceiptState.PRESENTED;

async function countWaiting(client: Client<typeof BrokerService>): Promise<number> {
  const { peers } = await client.listPeers({ pageSize: 1000 });
  return peers.reduce((sum, { waitingMessages }) => sum + Number(waitingMessages), 0);
}

/** Every message that peers sent, as the broker has it; for an operator's client. */
export async function listStored(client: Client<typeof BrokerService>): Promise<StoredMessage[]> {
  const stored: StoredMessage[] = [];
  let pageToken = "";
  do {
    const page = await client.listMessages({ pageSize: 200, pageToken });
    for (const { message, receipts } of page.records) {
      if (message === undefined || isNotice(message)) continue;
      stored.push({
        ...readLetter(message.text),
        from: message.from?.name ?? "",
        receipts: receipts.map(({ recipient, state }) => ({ to: recipient?.name ?? "", state })),
      });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return stored;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
