import { randomBytes, randomUUID } from "node:crypto";
import { BrokerService, Outcome, type Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import { AbortScope } from "../../src/abort-scope.js";
import { sleep } from "../../src/clock.js";
import { createClient, openChannel, type Channel, type Client } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { anyAgent, pauseMs, words } from "./chance.js";
import { meanPauseMs } from "./limits.js";
import type { Tally } from "./tally.js";

/** A peer that does what an agent does, at random: sends, reads, answers, looks around, and reconnects. */
export class LightAgent {
  readonly #address: string;
  readonly #name: string;
  readonly #tally: Tally;
  readonly #secret = randomBytes(32).toString("base64url");
  #lastSent = "";

  constructor(address: string, name: string, tally: Tally) {
    this.#address = address;
    this.#name = name;
    this.#tally = tally;
  }

  /** Attaches again and again, each time for a minute or so, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const stint = new AbortScope([signal], pauseMs(60_000));
      const channel = openChannel(this.#address);
      try {
        await this.#attach(channel, stint.signal);
      } catch (error) {
        if (!stint.signal.aborted) this.#count(error);
      } finally {
        stint[Symbol.dispose]();
        channel.close();
      }
      await sleep(pauseMs(meanPauseMs), signal).catch(() => undefined);
    }
  }

  async #attach(channel: Channel, stint: AbortSignal): Promise<void> {
    let token = "";
    const client = createClient(BrokerService, channel, {
      headers: (): Record<string, string> =>
        token === "" ? {} : { authorization: `Bearer ${token}` },
    });
    const instanceId = randomUUID();
    token = (await client.register({ secret: this.#secret, name: this.#name, instanceId }))
      .sessionToken;
    await Promise.race([this.#read(client, stint), this.#act(client, stint)]);
  }

  async #read(client: Client<typeof BrokerService>, stint: AbortSignal): Promise<void> {
    for await (const { event } of client.subscribe({ maxMessages: 16 }, { signal: stint })) {
      if (event.case === "delivery") void this.#handle(client, event.value, stint);
    }
  }

  /** Presents, works, and then confirms, returns or rejects; answers some. */
  async #handle(
    client: Client<typeof BrokerService>,
    { deliveryId, message }: Delivery,
    stint: AbortSignal,
  ): Promise<void> {
    const report = async (outcome: Outcome): Promise<void> => {
      const reason = outcome >= Outcome.RETURNED ? "not now" : "";
      await client.ackMessages({ acks: [{ deliveryId, outcome, reason }] });
    };
    try {
      await report(Outcome.PRESENTED);
      await sleep(pauseMs(200), stint);
      const luck = Math.random();
      if (luck < 0.02) return await report(Outcome.RETURNED);
      if (luck < 0.025) return await report(Outcome.REJECTED);
      await report(Outcome.CONFIRMED);
      this.#tally.confirmed++;
      const to = message?.from?.name ?? "";
      if (luck < 0.4 && message !== undefined && to.startsWith("agent")) {
        await this.#send(client, [to], message.messageId);
      }
    } catch (error) {
      if (!stint.aborted) this.#count(error);
    }
  }

  async #act(client: Client<typeof BrokerService>, stint: AbortSignal): Promise<void> {
    while (!stint.aborted) {
      await sleep(pauseMs(meanPauseMs), stint);
      try {
        await this.#actOnce(client);
      } catch (error) {
        if (!stint.aborted) this.#count(error);
      }
    }
  }

  async #actOnce(client: Client<typeof BrokerService>): Promise<void> {
    const luck = Math.random();
    if (luck < 0.72) await this.#send(client, [anyAgent()]);
    else if (luck < 0.76) await this.#send(client, Array.from({ length: 5 }, anyAgent));
    else if (luck < 0.86) await client.listPeers({ pageSize: 20 });
    else if (luck < 0.91) await client.listMessages({ pageSize: 20 });
    else if (luck < 0.95) await client.updatePeer({ summary: words(60) });
    else if (this.#lastSent !== "") await client.getMessage({ messageId: this.#lastSent });
  }

  async #send(
    client: Client<typeof BrokerService>,
    to: readonly string[],
    inReplyTo = "",
  ): Promise<void> {
    const text = words(pauseMs(800));
    const others = to.filter((name) => name !== this.#name);
    if (others.length === 0) return;
    const { messageId, results } = await client.sendMessage({ to: others, text, inReplyTo });
    this.#tally.accepted += results.filter(({ error }) => error === undefined).length;
    this.#lastSent = messageId;
  }

  #count(error: unknown): void {
    if (error instanceof RpcError && refusals.has(error.code)) this.#tally.refused++;
    else this.#tally.failed++;
  }
}

/** A storm limit; an agent that has not come yet; a name whose session is about to end. */
const refusals = new Set<Code>([Code.ResourceExhausted, Code.NotFound, Code.AlreadyExists]);
