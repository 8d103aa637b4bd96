import { randomBytes } from "node:crypto";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { BareClient } from "./bare-client.js";
import { BenchPeer, brokerPid } from "./bench-peer.js";
import { echoPaths } from "./echo-paths.js";
import { Receiver } from "./receiver.js";
import { nowMs, timeMany, type Timing } from "./timing.js";

/** What a process of clients can be told to do, as JSON. Every load is of a fixed count. */
export class LoadClient {
  readonly #connections = new Map<string, BareClient>();
  readonly #receivers = new Map<string, Receiver>();
  readonly #arrivals = new Arrivals();

  /** Calls the bare server, so many calls at a time over one connection. */
  echo(of: { address: string; bytes: number; count: number; inFlight: number }): Promise<Timing> {
    const client = this.#connection(of.address, "echo");
    const request = randomBytes(of.bytes);
    return timeMany(of.count, of.inFlight, () => client.call(echoPaths.echo, request));
  }

  /** Pushes through the bare server to a stream of another connection: until each was answered, and seen there. */
  async relay(of: { address: string; bytes: number; count: number }): Promise<Timing> {
    const pusher = this.#connection(of.address, "push");
    const stream = this.#connection(of.address, "watch").stream(echoPaths.watch, Buffer.alloc(0));
    const arrival = () => new Promise<void>((resolve) => stream.once("data", () => resolve()));
    stream.on("error", () => undefined);
    await arrival();
    const request = randomBytes(of.bytes);
    const timing = await timeMany(of.count, 1, ({ end }) =>
      Promise.all([pusher.call(echoPaths.push, request), arrival().then(end)]),
    );
    stream.cancel();
    return timing;
  }

  /** Registers peers over one connection, or each over its own. */
  async join(of: { address: string; names: readonly string[]; own?: boolean }): Promise<void> {
    for (const name of of.names) {
      const client = this.#connection(of.address, of.own === true ? name : "shared");
      const peer = await BenchPeer.join(client, name);
      this.#receivers.set(name, new Receiver(peer, this.#arrivals));
    }
  }

  /** Opens the streams of peers, which from then on confirm each message that comes. */
  async subscribe({ names }: { names: readonly string[] }): Promise<void> {
    await Promise.all(names.map((name) => this.#receiver(name).open()));
  }

  /** Sends so many messages in all; the senders take turns. */
  send(of: {
    from: readonly string[];
    /** The recipients of each message; taken in turns. */
    to: readonly (readonly string[])[];
    count: number;
    textBytes: number;
    /** How many at a time. Default: one for each sender. */
    inFlight?: number;
  }): Promise<Timing> {
    const senders = of.from.map((name) => this.#peer(name));
    let sent = 0;
    return timeMany(of.count, of.inFlight ?? senders.length, async () => {
      const index = sent++;
      const to = of.to[index % of.to.length] ?? [];
      await senders[index % senders.length]?.send(to, uniqueText(of.textBytes));
    });
  }

  /** Resolves when so many messages in all have been confirmed, or seen, since this was called. */
  async expect(of: { count: number; state: "seen" | "confirmed" }): Promise<Timing> {
    const beginMs = nowMs();
    await this.#arrivals.expect(of.count, of.state);
    return { latenciesMs: [], beginMs, endMs: nowMs() };
  }

  /** One message at a time, from its send to its sight on the recipient's stream. The next when it is confirmed. */
  exchange(of: { from: string; to: string; count: number; textBytes: number }): Promise<Timing> {
    const sender = this.#peer(of.from);
    return timeMany(of.count, 1, ({ end }) =>
      Promise.all([
        this.#arrivals.expect(1, "confirmed"),
        this.#arrivals.expect(1, "seen").then(end),
        sender.send([of.to], uniqueText(of.textBytes)),
      ]),
    );
  }

  /** From the opening of a stream to the sight of the message that waits. The stream is closed after each. */
  read(of: { from: string; to: string; count: number; textBytes: number }): Promise<Timing> {
    const [sender, recipient] = [this.#peer(of.from), this.#peer(of.to)];
    return timeMany(of.count, 1, async ({ begin, end }) => {
      await sender.send([of.to], uniqueText(of.textBytes));
      begin();
      let arrived: ((deliveryId: string) => void) | undefined;
      const arrival = new Promise<string>((resolve) => (arrived = resolve));
      const stream = await recipient.subscribe(
        ({ deliveryId }) => arrived?.(deliveryId),
        () => undefined,
      );
      const deliveryId = await arrival;
      end();
      await recipient.confirm([deliveryId]);
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.cancel();
      await closed;
    });
  }

  /** First pages, one after the other. */
  pages(of: { as: string; method: "listPeers" | "listMessages"; count: number }): Promise<Timing> {
    const peer = this.#peer(of.as);
    const { listPeers, listMessages } = BrokerService.method;
    return timeMany(of.count, 1, () =>
      of.method === "listPeers" ? peer.call(listPeers, {}) : peer.call(listMessages, {}),
    );
  }

  brokerPid({ address }: { address: string }): Promise<number> {
    return brokerPid(this.#connection(address, "shared"));
  }

  #connection(address: string, use: string): BareClient {
    const key = `${address} ${use}`;
    const client = this.#connections.get(key) ?? new BareClient(address);
    this.#connections.set(key, client);
    return client;
  }

  #receiver(name: string): Receiver {
    const receiver = this.#receivers.get(name);
    if (receiver === undefined) throw new Error(`nobody here is ${name}`);
    return receiver;
  }

  #peer(name: string): BenchPeer {
    return this.#receiver(name).peer;
  }
}

/** Counts what comes to all receivers of a process. */
class Arrivals {
  readonly #expected = new Set<{ state: string; left: number; met: (error?: Error) => void }>();
  #failure: Error | undefined;

  async expect(count: number, state: "seen" | "confirmed"): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const error = await new Promise<Error | undefined>((met) => {
      if (count === 0) met(undefined);
      else this.#expected.add({ state, left: count, met });
    });
    if (error !== undefined) throw error;
  }

  seen(): void {
    this.#count("seen", 1);
  }

  confirmed(count: number): void {
    this.#count("confirmed", count);
  }

  failed(error: Error): void {
    this.#failure = error;
    for (const { met } of this.#expected) met(error);
  }

  #count(state: string, count: number): void {
    for (const expected of this.#expected) {
      if (expected.state !== state) continue;
      expected.left -= count;
      if (expected.left > 0) continue;
      this.#expected.delete(expected);
      expected.met();
    }
  }
}

let texts = 0;

/** Never said before in this process: a repeated text is refused. */
function uniqueText(bytes: number): string {
  return `${texts++} ${process.pid} `.padEnd(bytes, "lorem ipsum ");
}
