import { randomBytes } from "node:crypto";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { Arrivals, type ArrivalState } from "./arrivals.js";
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

  /**
   * Watches the bare server over so many connections. Each answers what comes with a call of its own, as a
   * subscriber confirms: what `expect` waits for.
   */
  async watch(of: { address: string; connections: number }): Promise<void> {
    const uses = Array.from({ length: of.connections }, (_, index) => `watch-${index}`);
    await Promise.all(
      uses.map(async (use) => {
        const client = this.#connection(of.address, use);
        const stream = client.stream(echoPaths.watch, Buffer.alloc(0));
        stream.on("error", (error: Error) => this.#arrivals.failed(error));
        await new Promise<void>((resolve) => stream.once("data", () => resolve()));
        stream.on("data", () => {
          this.#arrivals.seen();
          client.call(echoPaths.echo, report).then(
            () => this.#arrivals.confirmed(1),
            (error: Error) => this.#arrivals.failed(error),
          );
        });
      }),
    );
  }

  /** Pushes through the bare server to all that watch. */
  push(of: { address: string; bytes: number; count: number }): Promise<Timing> {
    const pusher = this.#connection(of.address, "push");
    const request = randomBytes(of.bytes);
    return timeMany(of.count, of.count, () => pusher.call(echoPaths.push, request));
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

  /** What comes from now on counts for `expect`. It has to be answered before anything is sent to be counted. */
  mark(_of: object): void {
    this.#arrivals.mark();
  }

  /** Resolves when so many messages in all have been confirmed, or seen, since the last `mark`. */
  async expect(of: { count: number; state: ArrivalState }): Promise<Timing> {
    const beginMs = nowMs();
    await this.#arrivals.expect(of.count, of.state);
    return { latenciesMs: [], beginMs, endMs: nowMs() };
  }

  /** One message at a time, from its send to its sight on the recipient's stream. The next when it is confirmed. */
  exchange(of: { from: string; to: string; count: number; textBytes: number }): Promise<Timing> {
    const sender = this.#peer(of.from);
    return timeMany(of.count, 1, ({ end }) => {
      this.#arrivals.mark();
      return Promise.all([
        this.#arrivals.expect(1, "confirmed"),
        this.#arrivals.expect(1, "seen").then(end),
        sender.send([of.to], uniqueText(of.textBytes)),
      ]);
    });
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

/** As many bytes as the report on one delivery has, about. */
const report = Buffer.alloc(64);

let texts = 0;

/** Never said before in this process: a repeated text is refused. */
function uniqueText(bytes: number): string {
  return `${texts++} ${process.pid} `.padEnd(bytes, "lorem ipsum ");
}
