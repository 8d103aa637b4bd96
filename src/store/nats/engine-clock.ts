import type { Clock } from "../../clock.js";
import type { Link } from "./connect.js";
import { clockCheckMs, clockToleranceMs } from "./limits.js";

/**
 * The time of the engine, which is one for all of its brokers. It is this machine's, set right by what the
 * engine's servers say: a broker whose clock is wrong would end messages that the others had just accepted.
 */
export class EngineClock implements Clock {
  readonly #own: Clock;
  #aheadMs = 0;

  constructor(own: Clock) {
    this.#own = own;
  }

  /** By how much this machine is ahead of the engine; negative where it is behind; 0 within `clockToleranceMs`. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  now(): number {
    return this.#own.now() - this.#aheadMs;
  }

  monotonic(): number {
    return this.#own.monotonic();
  }

  after(ms: number, act: () => void): Disposable {
    return this.#own.after(ms, act);
  }

  /**
   * Asks the engine for its time, and again every `clockCheckMs` and after each loss of the link.
   *
   * @param onWrong is told when this machine's clock is found wrong by another amount than before.
   */
  async follow(
    link: Link,
    stream: string,
    onWrong: (aheadMs: number) => void,
  ): Promise<AsyncDisposable> {
    let timer: Disposable | undefined;
    let checking = Promise.resolve();
    const check = async (): Promise<void> => {
      const before = this.#aheadMs;
      await this.#ask(link, stream);
      if (Math.abs(this.#aheadMs - before) > clockToleranceMs) onWrong(this.#aheadMs);
    };
    const checkSoon = (): void => {
      timer?.[Symbol.dispose]();
      // Where the engine does not answer, the next check asks again.
      checking = checking.then(check).catch(() => {});
      timer = this.#own.after(clockCheckMs, checkSoon);
    };
    await check();
    timer = this.#own.after(clockCheckMs, checkSoon);
    const watch = link.watch(({ state }) => {
      if (state === "connected") checkSoon();
    });
    return {
      async [Symbol.asyncDispose]() {
        watch[Symbol.dispose]();
        timer?.[Symbol.dispose]();
        await checking;
        timer?.[Symbol.dispose]();
      },
    };
  }

  async #ask(link: Link, stream: string): Promise<void> {
    const askedMs = this.#own.now();
    const { ts } = await link.manager.streams.info(stream);
    const answeredMs = this.#own.now();
    const engineMs = Date.parse(ts ?? "");
    if (!Number.isFinite(engineMs)) return;
    // It told the time at some moment in between.
    const aheadMs = Math.round((askedMs + answeredMs) / 2 - engineMs);
    const doubtMs = clockToleranceMs + Math.abs(answeredMs - askedMs) / 2;
    this.#aheadMs = Math.abs(aheadMs) <= doubtMs ? 0 : aheadMs;
  }
}
