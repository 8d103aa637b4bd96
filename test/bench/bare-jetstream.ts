import {
  AckPolicy,
  type JetStreamClient,
  type JsMsg,
  jetstreamManager,
  StorageType,
} from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { nowMs, type Passage, timeMany } from "./timing.js";

/**
 * The least that the engine could do for the same: each message is published, with its answer awaited, and comes
 * back by a durable pull consumer with explicit acknowledgements. These are sent, and nobody waits for an answer.
 */
export class BareJetStream {
  readonly #client: JetStreamClient;
  /** When each message was sent that is on its way, by the number that it begins with. */
  readonly #sentMs = new Map<number, number>();
  #sent = 0;
  #deliveriesMs: number[] = [];
  #onArrival: () => void = () => {};

  static async open(servers: readonly string[]): Promise<BareJetStream> {
    const connection = await connect({ servers: [...servers], noAsyncTraces: true });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({
      name: "bare",
      subjects: ["bare.>"],
      storage: StorageType.File,
      num_replicas: servers.length === 1 ? 1 : 3,
    });
    await manager.consumers.add("bare", { durable_name: "bare", ack_policy: AckPolicy.Explicit });
    const bare = new BareJetStream(manager.jetstream());
    const consumer = await manager.jetstream().consumers.get("bare", "bare");
    await consumer.consume({
      max_messages: 1000,
      expires: 4000,
      idle_heartbeat: 500,
      callback: (message) => bare.#arrived(message),
    });
    return bare;
  }

  private constructor(client: JetStreamClient) {
    this.#client = client;
  }

  async pass(of: { count: number; inFlight: number; bytes: number }): Promise<Passage> {
    this.#deliveriesMs = [];
    let left = of.count;
    const arrived = new Promise<void>((resolve) => {
      this.#onArrival = () => {
        left -= 1;
        if (left === 0) resolve();
      };
    });
    const text = Buffer.alloc(of.bytes, "lorem ipsum ");
    const sending = timeMany(of.count, of.inFlight, async (_, worker) => {
      const body = Buffer.from(text);
      const number = this.#sent++;
      body.writeDoubleLE(number);
      this.#sentMs.set(number, nowMs());
      await this.#client.publish(`bare.${worker}`, body);
    });
    const [{ latenciesMs, beginMs }] = await Promise.all([sending, arrived]);
    return { sendsMs: latenciesMs, deliveriesMs: this.#deliveriesMs, beginMs, endMs: nowMs() };
  }

  #arrived(message: JsMsg): void {
    const number = Buffer.from(message.data).readDoubleLE();
    const sentMs = this.#sentMs.get(number);
    message.ack();
    // An earlier delivery of it was answered too late.
    if (sentMs === undefined) return;
    this.#sentMs.delete(number);
    this.#deliveriesMs.push(nowMs() - sentMs);
    this.#onArrival();
  }
}
