import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, openChannel } from "../../src/rpc/client.js";
import type { BrokerHome } from "../support/program.js";
import { newSecret } from "../support/test-broker.js";
import type { AdapterUnderFire } from "./adapter-under-fire.js";
import { Chance } from "./chance.js";
import { hostileBytes, sendBytes } from "./hostile-bytes.js";
import { hostileCall } from "./hostile-call.js";
import { hostileLine } from "./hostile-line.js";
import { targetNames } from "./hostile-text.js";
import {
  callsAtOnce,
  callShare,
  connections,
  connectionShare,
  linesAtOnce,
  rawConnections,
} from "./limits.js";
import { RawHttp2 } from "./raw-http2.js";

/** Hostile input of every kind, against a broker and an adapter that run; and what became of it. */
export class Barrage {
  readonly #home: BrokerHome;
  readonly #adapter: AdapterUnderFire;
  /** One for each kind of input, so that the seed repeats each whatever comes of the others. */
  readonly #chances: Readonly<Record<"calls" | "bytes" | "lines", Chance>>;
  readonly #targets = targetNames.map((name) => ({ name, secret: newSecret() }));
  /** Calls by the status they ended with, connections, lines. */
  readonly #counts = new Map<string, number>();

  constructor(home: BrokerHome, adapter: AdapterUnderFire, seed: number) {
    this.#home = home;
    this.#adapter = adapter;
    const chance = new Chance(seed);
    const next = (): Chance => new Chance(chance.int(2 ** 32));
    this.#chances = { calls: next(), bytes: next(), lines: next() };
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** What was sent, and what became of it. */
  describe(): string {
    const whats = [...this.#counts.keys()].toSorted();
    return whats.map((what) => `${this.#counts.get(what)} × ${what}`).join("\n");
  }

  /** Sends so many inputs, of all kinds at the same time. */
  async fire(inputs: number): Promise<void> {
    const calls = Math.ceil(inputs * callShare);
    const byteConnections = Math.ceil(inputs * connectionShare);
    await Promise.all([
      this.#fireCalls(calls),
      this.#fireBytes(byteConnections),
      this.#fireLines(inputs - calls - byteConnections),
    ]);
  }

  async #fireCalls(count: number): Promise<void> {
    const links = Array.from({ length: connections }, () => new RawHttp2(this.#home.socket));
    let tokens = await this.#tokens();
    let left = count;
    const work = async (link: RawHttp2): Promise<void> => {
      while (left-- > 0) {
        // Sessions end by what is done with them: new ones let hostile input get past the door.
        if (left % callsPerSession === 0) tokens = await this.#tokens();
        const status = await link.call(hostileCall(this.#chances.calls, tokens));
        if (status === "unsent") left++;
        else this.#count(`call ended with ${status}`);
      }
    };
    await Promise.all(
      links.flatMap((link) => Array.from({ length: callsAtOnce }, () => work(link))),
    );
    for (const link of links) link[Symbol.dispose]();
  }

  async #fireBytes(count: number): Promise<void> {
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0) {
        await sendBytes(this.#home.socket, hostileBytes(this.#chances.bytes));
        this.#count("connection of raw bytes");
      }
    };
    await Promise.all(Array.from({ length: rawConnections }, work));
  }

  async #fireLines(count: number): Promise<void> {
    for (let left = count; left > 0; left -= linesAtOnce) {
      const length = Math.min(left, linesAtOnce);
      await this.#adapter.fire(Array.from({ length }, () => hostileLine(this.#chances.lines)));
      await this.#adapter.expectWell();
      this.#count("line to the adapter", length);
    }
  }

  /** The operator's token, and those of the peers that hostile input acts as. */
  async #tokens(): Promise<[string, ...string[]]> {
    const operator = await readFile(join(this.#home.path, "operator.token"), "utf8");
    const channel = openChannel(`unix:${this.#home.socket}`);
    try {
      const client = createClient(BrokerService, channel);
      const joined = await Promise.all(this.#targets.map((target) => client.register(target)));
      return [operator.trim(), ...joined.map(({ sessionToken }) => sessionToken)];
    } finally {
      channel.close();
    }
  }

  #count(what: string, more = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + more);
  }
}

const callsPerSession = 500;
