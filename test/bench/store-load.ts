import { ConfirmedBy, type PeerRef, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import type { QueuedMessage, QueueReader } from "../../src/broker/store/queues.js";
import type { Store } from "../../src/broker/store/store.js";
import { draftOf, fingerprintOf, refOf, storedPeer } from "./store-records.js";
import { openBenchStore, type StorePlace } from "./store-place.js";
import { nowMs, type Passage, timeMany } from "./timing.js";

/** A store, used as a broker's core uses it: through its contract, with a reader for each recipient. */
export class StoreLoad {
  readonly #store: Store;
  readonly #readers: QueueReader[] = [];
  /** When each message was sent that is on its way, by its id. */
  readonly #sentMs = new Map<string, number>();
  #deliveriesMs: number[] = [];
  #onConfirmed: () => void = () => {};
  #onFailure: (error: unknown) => void = () => {};

  static async open(place: StorePlace): Promise<StoreLoad> {
    return new StoreLoad(await openBenchStore(place));
  }

  private constructor(store: Store) {
    this.#store = store;
    // As a broker does where others serve the store, too.
    if (store.info.capabilities.several_brokers.has) {
      store.history.watch({ accepted() {}, moved() {} });
    }
  }

  /** Each worker writes to a recipient of its own. */
  async pass(of: { count: number; inFlight: number; bytes: number }): Promise<Passage> {
    for (let number = this.#readers.length; number < of.inFlight; number += 1) this.#read(number);
    const pairs = Array.from({ length: of.inFlight }, (_, worker) => pairOf(worker, worker));
    const text = sampleText(of.bytes);
    return this.#untilConfirmed(of.count, () =>
      timeMany(of.count, of.inFlight, (_, worker) => this.#send(pairs[worker] as Pair, text)),
    );
  }

  async gather(peers: number): Promise<void> {
    for (let number = 0; number < peers; number += 1) {
      const to = recipient(number);
      await this.#store.peers.create(storedPeer(to, Date.now()));
      await this.#store.peers.announce(to.peerId, { ...presence });
      this.#read(number);
    }
  }

  async trickle(of: { perSecond: number; ms: number; bytes: number }): Promise<Passage> {
    const text = sampleText(of.bytes);
    const peers = this.#readers.length;
    const count = Math.round((of.perSecond * of.ms) / 1000);
    const latenciesMs: number[] = [];
    return this.#untilConfirmed(count, async () => {
      const beginMs = nowMs();
      const sends: Promise<unknown>[] = [];
      for (let sent = 0; sent < count; sent += 1) {
        const waitMs = beginMs + (sent * 1000) / of.perSecond - nowMs();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        const startMs = nowMs();
        // Not the same pairs again and again.
        const [from, to] = [(sent * 7919) % peers, (sent * 104_729 + 1) % peers];
        sends.push(
          this.#send(pairOf(from, to), text).then(() => {
            latenciesMs.push(nowMs() - startMs);
          }),
        );
      }
      await Promise.all(sends);
      return { latenciesMs, beginMs };
    });
  }

  async #untilConfirmed(
    count: number,
    send: () => Promise<{ latenciesMs: readonly number[]; beginMs: number }>,
  ): Promise<Passage> {
    this.#deliveriesMs = [];
    let left = count;
    const confirmed = new Promise<void>((resolve, reject) => {
      this.#onFailure = reject;
      this.#onConfirmed = () => {
        left -= 1;
        if (left === 0) resolve();
      };
    });
    const [{ latenciesMs, beginMs }] = await Promise.all([send(), confirmed]);
    return {
      sendsMs: latenciesMs,
      deliveriesMs: this.#deliveriesMs,
      beginMs,
      endMs: nowMs(),
    };
  }

  async #send(pair: Pair, text: Text): Promise<void> {
    const draft = draftOf({ ...pair, ...text, expiresInMs: 60 * 60 * 1000 });
    this.#sentMs.set(draft.messageId, nowMs());
    const [result] = await this.#store.queues.enqueue(draft, draft.to);
    if (result?.ok !== true) throw new Error("a message was refused", { cause: result?.error });
  }

  #read(number: number): void {
    const { peerId } = recipient(number);
    let isReading = false;
    let isWoken = false;
    const read = async (): Promise<void> => {
      isWoken = true;
      if (isReading) return;
      isReading = true;
      while (isWoken) {
        isWoken = false;
        for (;;) {
          const messages = await reader.next(credit);
          if (messages.length === 0) break;
          for (const message of messages) this.#confirm(peerId, message);
        }
      }
      isReading = false;
    };
    const listen = (): void => void read().catch((error: unknown) => this.#onFailure(error));
    const listener = { wake: listen, damaged: () => this.#onFailure(new Error("damaged")) };
    const reader = this.#store.queues.open({ peerId, epoch: 1 }, listener);
    this.#readers.push(reader);
    listen();
  }

  #confirm(peerId: string, { message, receipt }: QueuedMessage): void {
    const sentMs = this.#sentMs.get(message.messageId);
    this.#sentMs.delete(message.messageId);
    if (sentMs === undefined) return this.#onFailure(new Error("a message came that nobody sent"));
    this.#deliveriesMs.push(nowMs() - sentMs);
    const change = { state: ReceiptState.CONFIRMED, confirmedBy: ConfirmedBy.EXPLICIT_ACK };
    this.#store.queues
      .advance(peerId, receipt.seq, change)
      .then(this.#onConfirmed, (error: unknown) => this.#onFailure(error));
  }
}

/** What a broker gives a stream at first. */
const credit = { maxMessages: 32, maxBytes: 256 * 1024 };

/** A text with what a broker would have computed of it. */
interface Text {
  readonly text: string;
  readonly fingerprint: string;
}

function sampleText(bytes: number): Text {
  const text = "lorem ipsum ".repeat(bytes).slice(0, bytes);
  return { text, fingerprint: fingerprintOf(text) };
}

interface Pair {
  readonly from: PeerRef;
  readonly to: PeerRef;
}

function pairOf(from: number, to: number): Pair {
  return { from: refOf(`sender-${from}`, 100_000 + from), to: recipient(to) };
}

function recipient(number: number): PeerRef {
  return refOf(`recipient-${number}`, number);
}

const presence = {
  brokerId: "bench",
  epoch: 1,
  instanceId: "",
  conversationId: "",
  isSure: true,
  isLive: true,
  online: true,
  reach: Reach.UNSPECIFIED,
};
