import type { Core } from "../core.js";
import type { PeerRecord } from "./directory.js";
import {
  nearMaxPeers,
  retireIntervalMs,
  retirementBatch,
  unusedGraceMs,
  usedPeerRestMs,
} from "../limits.js";

const dayMs = 24 * 60 * 60_000;

type Parts = Pick<Core, "directory" | "sessions" | "clock" | "settings" | "log">;

/**
 * Removes peers that had no session for long. When the broker knows almost as many peers as it takes,
 * it also removes those that were never used. One that still has mail, or history that is kept, stays
 * with its name until that has ended.
 */
export class Retirement {
  readonly #core: Parts;
  /** Peers that were found to be used when room was sought, and when that was. */
  readonly #used = new WeakMap<PeerRecord, number>();
  #timer: Disposable | undefined;
  #retiring: Promise<void> = Promise.resolve();

  constructor(core: Parts) {
    this.#core = core;
  }

  /** Looks now, and then once a day; each removal `inTurn`, so that nobody returns to the peer meanwhile. */
  start(inTurn: (work: () => Promise<void>) => Promise<void>): void {
    this.#timer = this.#core.clock.after(retireIntervalMs, () => this.start(inTurn));
    this.#begin(inTurn);
  }

  /**
   * When the bound of peers is near, removes some that were never used and have no stream, the longest
   * unseen first. Call it in turn.
   */
  async makeRoom(): Promise<void> {
    if (this.#core.directory.size < nearMaxPeers * this.#core.settings.peers) return;
    const now = this.#core.clock.now();
    const unused = [...this.#core.directory.peers()]
      .filter((peer) => !peer.online && peer.stored.lastSeenMs <= now - unusedGraceMs)
      .filter((peer) => (this.#used.get(peer) ?? 0) <= now - usedPeerRestMs)
      .toSorted((a, b) => a.stored.lastSeenMs - b.stored.lastSeenMs);
    while (unused.length > 0) {
      const batch = unused.splice(0, retirementBatch);
      const removed = await Promise.all(batch.map((peer) => this.#remove(peer)));
      if (removed.includes(true)) return;
      for (const peer of batch) this.#used.set(peer, now);
    }
  }

  async close(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.#retiring;
  }

  #begin(inTurn: (work: () => Promise<void>) => Promise<void>): void {
    this.#retiring = this.#retiring.then(async () => {
      try {
        await this.#retire(inTurn);
      } catch (error) {
        this.#core.log.warn({ err: error }, "could not retire peers");
      }
    });
  }

  async #retire(inTurn: (work: () => Promise<void>) => Promise<void>): Promise<void> {
    const unseenSinceMs = this.#core.clock.now() - this.#core.settings.unseen_peers_days * dayMs;
    // A copy: what cannot be removed is put back, at the end.
    const peers = [...this.#core.directory.peers()];
    for (const peer of peers) {
      const isUnseen = (): boolean => !peer.online && peer.stored.lastSeenMs <= unseenSinceMs;
      if (!isUnseen()) continue;
      await inTurn(async () => {
        if (isUnseen()) await this.#remove(peer);
      });
    }
  }

  /** False where the peer has mail or history. */
  async #remove(peer: PeerRecord): Promise<boolean> {
    if (!(await this.#core.directory.removeUnused(peer))) return false;
    this.#core.log.info({ peer: peer.stored.name }, "peer retired");
    return true;
  }
}
