import { describe, expect, test } from "vitest";
import { Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import {
  eventually,
  newSecret,
  operatorToken,
  TestStream,
  type TestBroker,
  type TestPeer,
} from "../../support/test-broker.js";
import { startGateways, type SharedTechnology } from "./two-gateways.js";

const peerCount = 3;
const messagesOfSender = 15;

export function defineWanderers(technology: SharedTechnology): void {
  describe("peers that go from one broker to the other all the time", () => {
    test("get each message, lose none, and never have two sessions of one epoch", async () => {
      const { one, two } = await startGateways(technology);
      const wanderers = Array.from(
        { length: peerCount },
        (_, index) => new Wanderer(`api-${index}x`, [one, two]),
      );
      for (const wanderer of wanderers) await wanderer.move();
      const senders = [await one.join({ name: "web" }), await two.join({ name: "shop" })];
      const sent = Promise.all(senders.map(sendAll));
      const sending = new AbortController();
      void sent.finally(() => sending.abort());
      const wandering = wanderers.map(async (wanderer) => {
        while (!sending.signal.aborted) await wanderer.move();
      });
      const ids = (await sent).flat();
      await Promise.all(wandering);
      const operator = two.client(operatorToken);
      await eventually(async () => {
        for (const messageId of ids) {
          const { record } = await operator.getMessage({ messageId });
          const [receipt] = record?.receipts ?? [];
          expect(ReceiptState[receipt?.state ?? 0]).toBe("CONFIRMED");
        }
      });
      for (const { epochs, offered, name } of wanderers) {
        expect(new Set(epochs).size, `sessions of ${name}`).toBe(epochs.length);
        expect(offered.size, `offered to ${name}`).toBe(ids.length / peerCount);
      }
      expect([...one.warnings, ...two.warnings]).toEqual([]);
    });
  });
}

/** Sends each wanderer its share, numbered. */
async function sendAll(sender: TestPeer): Promise<string[]> {
  const ids: string[] = [];
  for (let count = 0; count < messagesOfSender * peerCount; count++) {
    const request = { to: [`api-${count % peerCount}x`], text: `${sender.name} ${count}` };
    ids.push(await eventually(async () => (await sender.client.sendMessage(request)).messageId));
  }
  return ids;
}

/** A peer that registers at one broker after the other, and confirms what it is offered there. */
class Wanderer {
  readonly epochs: bigint[] = [];
  readonly offered = new Set<string>();
  readonly #secret = newSecret();
  #moves = 0;
  #peer: TestPeer | undefined;

  constructor(
    readonly name: string,
    private readonly gateways: readonly TestBroker[],
  ) {}

  /** Goes on reading where it was, until that stream ends. */
  async move(): Promise<void> {
    const gateway = this.gateways[this.#moves % this.gateways.length];
    // A new process each third time.
    const instanceId = `${Math.floor(this.#moves / 3)}`;
    this.#moves++;
    const request = {
      secret: this.#secret,
      name: this.name,
      instanceId,
      conversationId: this.name,
    };
    const before = this.#peer;
    this.#peer = await gateway?.join(request);
    before?.cut();
    if (this.#peer === undefined) return;
    this.epochs.push(this.#peer.registered.epoch);
    const stream = this.#peer.subscribe({ maxMessages: 4 });
    await stream.expect("started");
    void this.#read(this.#peer, stream);
    await new Promise((resolve) => void setTimeout(resolve, 60));
  }

  async #read({ client }: TestPeer, stream: TestStream): Promise<void> {
    try {
      for (;;) {
        const event = await stream.next();
        if (event.case !== "delivery") continue;
        const { deliveryId, message } = event.value;
        this.offered.add(message?.messageId ?? "");
        await client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.CONFIRMED }] });
      }
    } catch {
      // It has gone on to the other broker.
    }
  }
}
