import { EventEmitter, once } from "node:events";
import { Outcome } from "../../../gen/peerline/v1/broker_service_pb.js";
import { expect } from "vitest";
import type {
  Delivery,
  SubscribeResponse,
  WatchMessagesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState, type MessageRecord } from "../../../gen/peerline/v1/message_pb.js";
import { AbortScope } from "../../../src/abort-scope.js";
import { noticeSender } from "../../../src/broker/delivery/notices.js";
import type { Store } from "../../../src/broker/store/store.js";
import type { StoppedClock } from "../../support/stopped-clock.js";
import {
  eventually,
  operatorToken,
  reasonIn,
  startTestBroker,
  type TestBroker,
  type TestPeer,
} from "../../support/test-broker.js";
import { expectOwnEnds, expectSameMessages, expectSamePeers } from "./agreement.js";
import { countToldEnds, isNotice, listHistory } from "./history.js";
import type { Model, ModelPeer, ModelStream } from "./model.js";

/** Where a store is kept while brokers come and go. */
export interface StorePlace extends AsyncDisposable {
  open(): Promise<Store>;
  close(store: Store): Promise<void>;
}

/** Longer than it takes on any machine: what never comes is a failure, and nothing else waits for it. */
const deliveryTimeoutMs = 30_000;

/** A real broker, its peers and their streams; every event is held against the model as it comes. */
export class DrivenBroker implements AsyncDisposable {
  readonly #model: Model;
  readonly #clock: StoppedClock;
  readonly #place: StorePlace;
  readonly #peers = new Map<ModelPeer, TestPeer>();
  readonly #readers = new Set<Promise<void>>();
  readonly #ends = new Map<ModelStream, string>();
  readonly #rungs = new Map<string, ReceiptState>();
  readonly #failures: unknown[] = [];
  readonly #events = new EventEmitter();
  #store!: Store;
  #broker!: TestBroker;
  #operator!: TestPeer["client"];
  #watch!: AbortController;

  static async open(options: {
    model: Model;
    clock: StoppedClock;
    place: StorePlace;
  }): Promise<DrivenBroker> {
    const driven = new DrivenBroker(options);
    await driven.#start();
    return driven;
  }

  private constructor(options: { model: Model; clock: StoppedClock; place: StorePlace }) {
    this.#model = options.model;
    this.#clock = options.clock;
    this.#place = options.place;
  }

  async restart(): Promise<void> {
    for (const { stream } of this.#model.peers) this.#expectEnd(stream, "STOPPING");
    this.#model.restart();
    await this.#stop();
    await this.#start();
    // Nobody waits for former instances any more.
    this.#clock.advance(1000);
  }

  /** Registers a peer under an instance, on a new connection. */
  async register(request: { secret: string; instance: number; name: string }): Promise<TestPeer> {
    const { secret, instance, name } = request;
    return this.#broker.join({ secret, name, instanceId: `${secret.slice(0, 8)}-${instance}` });
  }

  use(peer: ModelPeer, connection: TestPeer): void {
    this.#peers.set(peer, connection);
  }

  client(peer: ModelPeer): TestPeer["client"] {
    const connection = this.#peers.get(peer);
    if (connection === undefined) throw new Error(`${peer.name} has no connection`);
    return connection.client;
  }

  /** Opens the peer's stream; the one before it is told that it was superseded. */
  async subscribe(peer: ModelPeer, credit: number): Promise<void> {
    this.#expectEnd(peer.stream, "SUPERSEDED");
    const stream = this.#model.openStream(peer, credit);
    const events = this.client(peer).subscribe({ maxMessages: credit })[Symbol.asyncIterator]();
    const first = await events.next();
    expect(first.value?.event.case).toBe("started");
    const reading = this.#read(peer, stream, events).catch((error: unknown) => {
      this.#failures.push(error);
      this.#events.emit("event");
    });
    this.#readers.add(reading);
    void reading.finally(() => this.#readers.delete(reading));
  }

  async unregister(peer: ModelPeer): Promise<void> {
    this.#expectEnd(peer.stream, "");
    this.#model.endStream(peer);
    peer.hasSession = false;
    await this.client(peer).unregister({});
  }

  /** Cuts the peer's connection, as a killed process does. */
  cut(peer: ModelPeer): void {
    this.#expectEnd(peer.stream, "cut");
    if (peer.stream !== undefined) peer.isLost = true;
    this.#model.endStream(peer);
    this.#peers.get(peer)?.cut();
    this.#peers.delete(peer);
  }

  isConnected(peer: ModelPeer): boolean {
    return this.#peers.has(peer);
  }

  /** Waits until all that must come has come, and holds what the broker says against the model. */
  async settle(): Promise<void> {
    await this.#awaitDeliveries();
    await eventually(async () => {
      this.assertSound();
      expectSameMessages(this.#model, await this.history());
      expectSamePeers(this.#model, (await this.#operator.listPeers({})).peers);
    });
  }

  /** Fails with the first thing that must not have been. */
  assertSound(): void {
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
  }

  /** The whole history but the broker's notices, oldest first, as `client` may see it. */
  async history(client: TestPeer["client"] = this.#operator): Promise<MessageRecord[]> {
    return (await listHistory(client)).filter((record) => !isNotice(record));
  }

  /** How many ended messages each peer was told of. */
  async countToldEnds(): Promise<Map<string, number>> {
    return countToldEnds((await listHistory(this.#operator)).filter(isNotice));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stream } of this.#model.peers) this.#expectEnd(stream, "STOPPING");
    await this.#stop();
    await this.#place[Symbol.asyncDispose]();
    this.assertSound();
  }

  async #start(): Promise<void> {
    this.#store = await this.#place.open();
    this.#broker = await startTestBroker({
      store: this.#store,
      keepStore: true,
      clock: this.#clock,
    });
    this.#operator = this.#broker.client(operatorToken);
    this.#watch = new AbortController();
    const events = this.#operator.watchMessages({}, { signal: this.#watch.signal });
    const iterator = events[Symbol.asyncIterator]();
    await iterator.next();
    void this.#watchLadder(iterator).catch((error: unknown) => {
      if (!this.#watch.signal.aborted) this.#failures.push(error);
    });
  }

  async #stop(): Promise<void> {
    this.#watch.abort();
    await this.#broker.broker.close();
    await Promise.all(this.#readers);
    await this.#broker[Symbol.asyncDispose]();
    this.#peers.clear();
    await this.#place.close(this.#store);
  }

  /** How the stream's end will be told to its reader. */
  #expectEnd(stream: ModelStream | undefined, reason: string): void {
    if (stream !== undefined) this.#ends.set(stream, reason);
  }

  async #read(
    peer: ModelPeer,
    stream: ModelStream,
    events: AsyncIterator<SubscribeResponse>,
  ): Promise<void> {
    let end = "";
    try {
      for (;;) {
        const { value, done } = await events.next();
        if (done === true) break;
        // What was under way when the stream was given up is nobody's.
        if (peer.stream !== stream || value.event.case !== "delivery") continue;
        await this.#take(peer, stream, value.event.value);
        this.#events.emit("event");
      }
    } catch (error) {
      end = reasonIn(error);
      if (end.startsWith("no ")) end = this.#ends.get(stream) === "cut" ? "cut" : String(error);
    }
    const expected = this.#ends.get(stream);
    if (end !== expected && expected !== "cut")
      throw new Error(`${peer.name}'s stream ended with "${end}", expected was "${expected}"`);
  }

  async #take(peer: ModelPeer, stream: ModelStream, delivery: Delivery): Promise<void> {
    const { deliveryId, message, attempts, redelivered } = delivery;
    if (message?.from?.peerId === noticeSender.peerId)
      return this.#takeNotice(peer, stream, delivery);
    const messageId = message?.messageId ?? "";
    try {
      this.#model.deliver(peer, { deliveryId, messageId, attempts, redelivered });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${peer.name} got ${messageId} ("${message?.text}"): ${why}`, { cause });
    }
  }

  async #takeNotice(peer: ModelPeer, stream: ModelStream, delivery: Delivery): Promise<void> {
    expectOwnEnds(this.#model, peer, delivery.message);
    const acks = [{ deliveryId: delivery.deliveryId, outcome: Outcome.CONFIRMED }];
    await this.client(peer)
      .ackMessages({ acks })
      .catch((error: unknown) => {
        if (peer.stream === stream) throw error;
      });
  }

  async #watchLadder(events: AsyncIterator<WatchMessagesResponse>): Promise<void> {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true) return;
      if (value.event.case !== "receiptMoved") continue;
      const { from, messageId, receipt } = value.event.value;
      const key = [from?.peerId, messageId, receipt?.recipient?.peerId].join(" ");
      const before = this.#rungs.get(key) ?? ReceiptState.QUEUED;
      const state = receipt?.state ?? ReceiptState.UNSPECIFIED;
      if (state <= before || before >= ReceiptState.EXPIRED)
        throw new Error(`${key} went from ${ReceiptState[before]} to ${ReceiptState[state]}`);
      this.#rungs.set(key, state);
    }
  }

  async #awaitDeliveries(): Promise<void> {
    using wait = new AbortScope([], deliveryTimeoutMs);
    const { signal } = wait;
    for (;;) {
      this.assertSound();
      const waiting = this.#model.peers.find((peer) => this.#model.expectedNext(peer));
      if (waiting === undefined) return;
      await once(this.#events, "event", { signal }).catch((cause: unknown) => {
        const text = this.#model.expectedNext(waiting)?.message.text;
        throw new Error(`"${text}" never came to ${waiting.name}`, { cause });
      });
    }
  }
}
