import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import type { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { createClient, type Client } from "../../src/rpc/client.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { BrokerProcess } from "./broker-process.js";

type BrokerClient = Client<typeof BrokerService>;

/** The load's own sends; and what others call beside it, each on a connection of its own. */
type Call = "load" | "health" | "listPeers" | "getServerInfo" | "sendMessage";

/** Milliseconds: the 99th percentile of the loop's delay; how long the calls took. */
export interface Figures {
  readonly loopDelayMs: number;
  readonly callMs: Readonly<Record<Call, { median: number; p99: number; calls: number }>>;
}

/** A broker whose every sync takes so much longer, put under load in rounds and measured in them. */
export class LoadedBroker {
  readonly #broker: BrokerProcess;
  readonly #report: string;
  readonly #senders: readonly BrokerClient[];
  readonly #others: Readonly<Record<Exclude<Call, "load">, () => Promise<unknown>>>;
  readonly #took: Record<Call, number[]> = {
    load: [],
    health: [],
    listPeers: [],
    getServerInfo: [],
    sendMessage: [],
  };

  private constructor(
    broker: BrokerProcess,
    report: string,
    senders: readonly BrokerClient[],
    others: readonly [BrokerClient, BrokerClient, BrokerClient],
  ) {
    this.#broker = broker;
    this.#report = report;
    this.#senders = senders;
    const health = createClient(Health, broker.connect());
    const [lister, asker, sender] = others;
    this.#others = {
      health: () => health.check({}),
      listPeers: () => lister.listPeers({}),
      getServerInfo: () => asker.getServerInfo({}),
      sendMessage: () => sender.sendMessage({ to: ["asker"], text: randomUUID() }),
    };
  }

  static async start(options: { preload: string; syncDelayMs: number }): Promise<LoadedBroker> {
    const folder = temporaryDirectory();
    const report = join(folder, "loop-delay");
    const broker = await BrokerProcess.start(join(folder, "home"), {
      LD_PRELOAD: options.preload,
      FAULT_SYNC_DELAY_US: String(options.syncDelayMs * 1000),
      NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "measure-loop.mjs")).href}`,
      FAULT_LOOP_REPORT: report,
    });
    await broker.join("recipient");
    const names = Array.from({ length: senders }, (_, index) => `sender-${index}`);
    const loading = await Promise.all(names.map((name) => broker.join(name)));
    const others = [broker.join("lister"), broker.join("asker"), broker.join("sender")] as const;
    return new LoadedBroker(broker, report, loading, await Promise.all(others));
  }

  /** Each sender of the load sends so many messages, one after the other. */
  async round(sendsEach: number): Promise<void> {
    const ended = new AbortController();
    this.#broker.signal("SIGUSR2");
    const names = Object.keys(this.#others) as Exclude<Call, "load">[];
    const load = Promise.all(this.#senders.map((sender) => this.#sendMany(sender, sendsEach)));
    const others = names.map((name) => this.#callUntil(ended.signal, name));
    await Promise.all([load.finally(() => ended.abort()), ...others]);
    this.#broker.signal("SIGUSR2");
  }

  async end(): Promise<Figures> {
    expect(await this.#broker.end("SIGTERM")).toBe(0);
    const callMs = Object.fromEntries(
      Object.entries(this.#took).map(([call, took]) => [call, summary(took)]),
    ) as Figures["callMs"];
    return { loopDelayMs: Number(readFileSync(this.#report, "utf8")), callMs };
  }

  async #sendMany(sender: BrokerClient, count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      await this.#time("load", () => sender.sendMessage({ to: ["recipient"], text: randomUUID() }));
    }
  }

  async #callUntil(signal: AbortSignal, name: Exclude<Call, "load">): Promise<void> {
    while (!signal.aborted) {
      await this.#time(name, this.#others[name]);
      await sleep(pauseMs);
    }
  }

  async #time(name: Call, call: () => Promise<unknown>): Promise<void> {
    const start = performance.now();
    await call();
    this.#took[name].push(performance.now() - start);
  }
}

const senders = 4;

/** Between two calls of one of the others, in milliseconds. */
const pauseMs = 5;

function summary(took: readonly number[]): { median: number; p99: number; calls: number } {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { median: at(0.5), p99: at(0.99), calls: took.length };
}
