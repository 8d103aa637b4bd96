import type { Clock } from "../clock.js";
import type { BrokerLog } from "./broker-log.js";
import type { Directory } from "./directory.js";
import { retireAfterMs, retireIntervalMs } from "./limits.js";
import type { Sessions } from "./sessions.js";

/**
 * Removes peers that nobody has been for long. One that still has mail, or history that is kept, stays
 * with its name until that has ended.
 */
export class Retirement {
  readonly #directory: Directory;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  #timer: NodeJS.Timeout | undefined;
  #retiring: Promise<void> = Promise.resolve();

  constructor(options: { directory: Directory; sessions: Sessions; clock: Clock; log: BrokerLog }) {
    this.#directory = options.directory;
    this.#sessions = options.sessions;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Looks now, and then once a day. */
  start(): void {
    this.#timer = setInterval(() => this.#begin(), retireIntervalMs).unref();
    this.#begin();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#retiring;
  }

  #begin(): void {
    this.#retiring = this.#retiring.then(async () => {
      try {
        await this.#retire();
      } catch (error) {
        this.#log.warn({ err: error }, "could not retire peers");
      }
    });
  }

  async #retire(): Promise<void> {
    const unseenSinceMs = this.#clock.now() - retireAfterMs;
    // A copy: what cannot be removed is put back, at the end.
    const entries = [...this.#directory.entries()];
    for (const entry of entries) {
      const { lastSeenMs, name } = entry.stored;
      if (entry.online || lastSeenMs > unseenSinceMs) continue;
      if (!(await this.#directory.removeUnused(entry))) continue;
      this.#sessions.closeOf(entry);
      this.#log.info({ peer: name }, "peer retired");
    }
  }
}
