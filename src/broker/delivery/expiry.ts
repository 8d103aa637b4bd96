import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Core } from "../core.js";
import { expiryBatch, expiryRetryMs, holderGraceMs, maxExpiryWaitMs } from "../limits.js";
import type { ExpiryKey } from "../store/history.js";

type Parts = Pick<Core, "store" | "receipts" | "subscriptions" | "clock" | "log">;

/**
 * Ends what nobody was shown in time. A live session expires what it holds unread. This expires everything
 * else, and what a session has not expired within a grace. One timer is set for the message that expires next. What
 * waits for a session at another broker is left to that one, within the same grace.
 */
export class Expiry {
  readonly #core: Parts;
  #timer: Disposable | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #sweeping: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(core: Parts) {
    this.#core = core;
  }

  /** Sweeps what expired while no broker ran, and goes on from there. */
  start(): void {
    this.expect(this.#core.clock.now());
  }

  /** A message expires at this time. */
  expect(expireTimeMs: number): void {
    if (this.#isClosed || expireTimeMs >= this.#dueMs) return;
    this.#timer?.[Symbol.dispose]();
    this.#dueMs = expireTimeMs;
    const delayMs = Math.min(Math.max(0, expireTimeMs - this.#core.clock.now()), maxExpiryWaitMs);
    this.#timer = this.#core.clock.after(delayMs, () => this.#begin());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#sweeping;
  }

  #begin(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#sweeping = this.#sweeping.then(() => this.#sweep());
  }

  async #sweep(): Promise<void> {
    try {
      const heldUntilMs = await this.#expireAll();
      const nextMs =
        heldUntilMs ?? (await this.#core.store.history.nextExpiryMs()) ?? this.#later();
      if (nextMs !== undefined) this.expect(nextMs);
    } catch (error) {
      this.#core.log.warn({ err: error }, "could not expire messages");
      this.expect(this.#core.clock.now() + expiryRetryMs);
    }
  }

  /** When to look again where nothing waits: another broker may end after it has opened a message again. */
  #later(): number | undefined {
    const { capabilities } = this.#core.store.info;
    return capabilities.several_brokers.has ? this.#core.clock.now() + maxExpiryWaitMs : undefined;
  }

  /** Expires what is due; resolves to when to look again at what live sessions hold. */
  async #expireAll(): Promise<number | undefined> {
    let lookAgainMs: number | undefined;
    let after: ExpiryKey | undefined;
    for (;;) {
      const batch = await this.#core.store.history.listExpired({ after, limit: expiryBatch });
      for (const key of batch) {
        const givenUpMs = key.expireTimeMs + holderGraceMs;
        if (
          this.#core.subscriptions.holds(key.peerId, key.seq) &&
          this.#core.clock.now() < givenUpMs
        ) {
          lookAgainMs = this.#core.clock.now() + expiryRetryMs;
        } else {
          const change = { state: ReceiptState.EXPIRED };
          await this.#core.receipts.advanceIfKept(key.peerId, key.seq, change);
          this.#core.subscriptions.settle(key.peerId, key.seq);
        }
      }
      if (batch.length < expiryBatch || this.#isClosed) return lookAgainMs;
      after = batch.at(-1);
    }
  }
}
