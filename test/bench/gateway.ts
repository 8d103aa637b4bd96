import { BareJetStream } from "./bare-jetstream.js";
import { StoreLoad } from "./store-load.js";
import type { StorePlace } from "./store-place.js";
import type { Passage } from "./timing.js";

/** One process over several engines, and what it can be told to do, as JSON. */
export class Gateway {
  readonly #engines = new Map<string, BareJetStream | StoreLoad>();

  /** Resolves to how long the opening took, in milliseconds. */
  async openStore(of: { name: string; place: StorePlace }): Promise<number> {
    const beginMs = performance.now();
    this.#engines.set(of.name, await StoreLoad.open(of.place));
    return performance.now() - beginMs;
  }

  async openBare(of: { name: string; servers: readonly string[] }): Promise<void> {
    this.#engines.set(of.name, await BareJetStream.open(of.servers));
  }

  /** Sends so many messages, so many at a time, each delivered and confirmed. */
  pass(of: { name: string; count: number; inFlight: number; bytes: number }): Promise<Passage> {
    const engine = this.#engines.get(of.name);
    if (engine === undefined) throw new Error(`there is no engine ${of.name}`);
    return engine.pass(of);
  }

  /** Peers with records, sessions and readers that wait. */
  gather(of: { name: string; peers: number }): Promise<void> {
    return this.#store(of.name).gather(of.peers);
  }

  /** Messages between gathered peers at an even pace, each delivered and confirmed. */
  trickle(of: { name: string; perSecond: number; ms: number; bytes: number }): Promise<Passage> {
    return this.#store(of.name).trickle(of);
  }

  #store(name: string): StoreLoad {
    const engine = this.#engines.get(name);
    if (engine instanceof StoreLoad) return engine;
    throw new Error(`there is no store ${name}`);
  }
}
