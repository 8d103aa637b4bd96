import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../clock.js";
import type { BrokerLog } from "../core.js";
import { announceEndMs, announceRetryMs } from "../limits.js";
import type { Presence } from "../store/peers.js";
import type { Store } from "../store/store.js";

/**
 * Tells other brokers of the sessions that are here, in the background. Of one peer it says one thing after the
 * other, and what changes meanwhile as the last of it. Where one broker serves the store, it says nothing.
 */
export class Announcements {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  readonly #presenceOf: (peerId: string) => Presence | undefined;
  /** What others were told last of the peers whose session is here. */
  readonly #told = new Map<string, Presence>();
  readonly #changed = new Set<string>();
  readonly #telling = new Set<string>();
  #retry: Disposable | undefined;
  #isSilent: boolean;

  /** @param options.presenceOf what others are to know now */
  constructor(options: {
    store: Store;
    clock: Clock;
    log: BrokerLog;
    presenceOf: (peerId: string) => Presence | undefined;
  }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#presenceOf = options.presenceOf;
    this.#isSilent = !options.store.info.capabilities.several_brokers.has;
  }

  /** What others are to know of this peer's session may have changed. */
  changed(peerId: string): void {
    if (this.#isSilent) return;
    this.#changed.add(peerId);
    if (this.#telling.has(peerId)) return;
    this.#telling.add(peerId);
    void this.#tellWhileChanged(peerId);
  }

  /** Tells others that there are no sessions here any more, and nothing after that. */
  async close(): Promise<void> {
    if (this.#isSilent) return;
    this.#isSilent = true;
    this.#retry?.[Symbol.dispose]();
    const ends = [...this.#told.keys()].map((peerId) =>
      this.#store.peers.announce(peerId, undefined),
    );
    await new Promise<void>((resolve) => {
      const limit = this.#clock.after(announceEndMs, resolve);
      void Promise.allSettled(ends).then(() => {
        limit[Symbol.dispose]();
        resolve();
      });
    });
  }

  async #tellWhileChanged(peerId: string): Promise<void> {
    // What changes in one turn is told once.
    await setImmediate();
    try {
      while (!this.#isSilent && this.#changed.delete(peerId)) await this.#tell(peerId);
    } catch (error) {
      this.#changed.add(peerId);
      this.#tryAgain(error);
    } finally {
      this.#telling.delete(peerId);
    }
  }

  async #tell(peerId: string): Promise<void> {
    while (!this.#isSilent) {
      const told = this.#told.get(peerId);
      const presence = this.#presenceOf(peerId) ?? farewell(told);
      if (isSame(told, presence)) return;
      if (presence === undefined) this.#told.delete(peerId);
      else this.#told.set(peerId, presence);
      try {
        await this.#store.peers.announce(peerId, presence);
      } catch (error) {
        if (told === undefined) this.#told.delete(peerId);
        else this.#told.set(peerId, told);
        throw error;
      }
    }
  }

  /** One attempt for all that could not be told, and one line in the log. */
  #tryAgain(error: unknown): void {
    if (this.#retry !== undefined || this.#isSilent) return;
    this.#log.warn({ err: error }, "could not tell other brokers of sessions");
    this.#retry = this.#clock.after(announceRetryMs, () => {
      this.#retry = undefined;
      for (const peerId of this.#changed) this.changed(peerId);
    });
  }
}

/**
 * Of a session that has ended, before there is none: so that others can tell it from one whose broker is gone. That
 * one's client comes back.
 */
function farewell(told: Presence | undefined): Presence | undefined {
  return told?.isLive === true || told?.online === true
    ? { ...told, isLive: false, online: false }
    : undefined;
}

function isSame(one: Presence | undefined, other: Presence | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (Object.keys(one) as (keyof Presence)[]).every((key) => one[key] === other[key]);
}
