import { randomUUID } from "node:crypto";
import { BrokerService, Outcome, type Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { sleep } from "../../src/clock.js";
import { Pulse } from "../../src/pulse.js";
import { createClient, openChannel, type Client } from "../../src/rpc/client.js";
import { RpcError } from "../../src/rpc/error.js";
import type { Recorder } from "./history.js";
import { isNotice, readLetter } from "./letter.js";
import { callTimeoutMs, pageMessages, retryMs } from "./limits.js";
import type { Random } from "./random.js";
import { Reports, type Held } from "./reports.js";

export interface LightAdapterOptions {
  readonly name: string;
  readonly secret: string;
  /** Of the broker, `unix:/path`, or of several over one store: when one is lost, the next is tried. */
  readonly addresses: readonly string[];
  readonly record: Recorder;
  readonly random: Random;
  /** Of a hundred messages shown, how many are given back as not processed. */
  readonly returnPercent: number;
  /** How long the host takes over the page that it was just shown. */
  readonly thinkMs: () => number;
  /** Awaited after each Register, before the Subscribe that follows. */
  readonly beforeSubscribe?: () => Promise<void>;
}

/**
 * One peer as `peerline mcp` is one, without a host: it keeps a session whatever happens, shows each
 * message once, reports it PRESENTED, and CONFIRMED when its imagined host goes on. Each of those is
 * recorded before it is done.
 */
export class LightAdapter implements AsyncDisposable {
  readonly #options: LightAdapterOptions;
  readonly #instanceId = randomUUID();
  readonly #stop = new AbortController();
  readonly #changed = new Pulse();
  readonly #arrived = new Pulse();
  readonly #reports: Reports;
  readonly #held = new Map<string, Held>();
  readonly #running: Promise<unknown>;
  readonly #unread: Held[] = [];
  #client: Client<typeof BrokerService> | undefined;
  #losses: number;

  constructor(options: LightAdapterOptions) {
    this.#options = options;
    this.#losses = options.random.between(0, options.addresses.length - 1);
    this.#reports = new Reports({
      peer: options.name,
      record: options.record,
      onConfirmed: (held) => this.#held.delete(held.id),
    });
    this.#running = Promise.all([this.#stayAttached(), this.#read()]);
  }

  /** The session's client, once there is one. */
  async live(): Promise<Client<typeof BrokerService>> {
    while (this.#client === undefined) await this.#changed.next(this.#stop.signal);
    return this.#client;
  }

  /** Ends without a word to the broker, as a killed process does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #stayAttached(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#attach().catch(bearLoss);
      await sleep(retryMs * (0.5 + this.#options.random.next() / 2), signal).catch(ignore);
    }
  }

  async #attach(): Promise<void> {
    const { name, secret, addresses } = this.#options;
    const channel = openChannel(addresses[this.#losses++ % addresses.length] ?? "");
    try {
      const identity = { name, secret, instanceId: this.#instanceId, kind: PeerKind.AGENT };
      const registered = await createClient(BrokerService, channel).register(
        { ...identity, conversationId: `crash:${name}` },
        { signal: this.#stop.signal, timeoutMs: callTimeoutMs },
      );
      const { name: as = "", peerId: id = "" } = registered.peer ?? {};
      this.#options.record({ act: "return", peer: name, key: `return/${name}`, as, id });
      await this.#options.beforeSubscribe?.();
      const authorization = `Bearer ${registered.sessionToken}`;
      const client = createClient(BrokerService, channel, { headers: () => ({ authorization }) });
      for await (const { event } of client.subscribe({}, { signal: this.#stop.signal })) {
        if (event.case === "started") this.#become(client);
        if (event.case === "delivery") this.#receive(event.value);
      }
    } finally {
      // Delivery ids end with their stream.
      this.#reports.close();
      this.#client = undefined;
      channel.close();
    }
  }

  #become(client: Client<typeof BrokerService>): void {
    this.#client = client;
    this.#reports.open(client);
    this.#changed.beat();
  }

  #receive({ message, deliveryId, redelivered }: Delivery): void {
    if (message === undefined) return;
    const from = message.from?.name ?? "";
    const letter = { ...readLetter(message.text), from };
    const isNote = isNotice(message);
    if (!isNote) {
      const { name: peer, record } = this.#options;
      record({ act: "deliver", peer, ...letter, redelivered });
    }
    const id = `${message.from?.peerId} ${message.messageId}`;
    const known = this.#held.get(id);
    if (known === undefined) {
      const held = { id, letter, deliveryId, redelivered, isNote, outcome: undefined };
      this.#held.set(id, held);
      this.#unread.push(held);
      this.#arrived.beat();
      return;
    }
    known.deliveryId = deliveryId;
    if (known.outcome !== undefined) this.#reports.add(known, known.outcome);
  }

  /** The host: is shown a page, and goes on after a while. */
  async #read(): Promise<void> {
    const { name: peer, record, random, returnPercent, thinkMs } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const page = this.#unread.splice(0, pageMessages);
      if (page.length === 0) {
        await this.#arrived.next(signal).catch(ignore);
        continue;
      }
      for (const held of page) {
        const { letter, redelivered, isNote } = held;
        if (!isNote) record({ act: "present", peer, ...letter, redelivered });
        this.#report(held, Outcome.PRESENTED);
      }
      await sleep(thinkMs(), signal).catch(ignore);
      if (signal.aborted) return;
      for (const held of page) {
        const isReturned = random.next() * 100 < returnPercent;
        this.#report(held, isReturned ? Outcome.RETURNED : Outcome.CONFIRMED);
        if (isReturned) this.#held.delete(held.id);
      }
    }
  }

  #report(held: Held, outcome: Outcome): void {
    held.outcome = outcome;
    this.#reports.add(held, outcome);
  }
}

/** The broker is gone, or says no for now: that is what the run is about. */
function bearLoss(error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
}

function ignore(): void {}
