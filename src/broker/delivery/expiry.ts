import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../../clock.js";
import type { BrokerLog } from "../core.js";
import { expiryBatch, expiryRetryMs, holderGraceMs, maxExpiryWaitMs } from "../limits.js";
import type { Receipts } from "./receipts.js";
import type { ExpiryKey, Store } from "../store.js";
import type { Subscriptions } from "./subscriptions.js";

/**
 * Ends what nobody was shown in time. A live session expires what it holds unread. This expires everything
 * else, and what a session has not expired within a grace. One timer is set for the message that expires next.
 */
export class Expiry {
  readonly #store: Store;
  readonly #receipts: Receipts;
  readonly #subscriptions: Subscriptions;
  readonly #clock: Clock;
  readonly #log: BrokerLog;
  #timer: Disposable | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #sweeping: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: {
    store: Store;
    receipts: Receipts;
    subscriptions: Subscriptions;
    clock: Clock;
    log: BrokerLog;
  }) {
    this.#store = options.store;
    this.#receipts = options.receipts;
    this.#subscriptions = options.subscriptions;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Sweeps what expired while no broker ran, and goes on from there. */
  start(): void {
    this.expect(this.#clock.now());
  }

  /** A message expires at this time. */
  expect(expireTimeMs: number): void {
    if (this.#isClosed || expireTimeMs >= this.#dueMs) return;
    this.#timer?.[Symbol.dispose]();
    this.#dueMs = expireTimeMs;
    const delayMs = Math.min(Math.max(0, expireTimeMs - this.#clock.now()), maxExpiryWaitMs);
    this.#timer = this.#clock.after(delayMs, () => this.#begin());
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
      const nextMs = heldUntilMs ?? (await this.#store.nextExpiryMs());
      if (nextMs !== undefined) this.expect(nextMs);
    } catch (error) {
      this.#log.warn({ err: error }, "could not expire messages");
      this.expect(this.#clock.now() + expiryRetryMs);
    }
  }

  /** Expires what is due; resolves to when to look again at what live sessions hold. */
  async #expireAll(): Promise<number | undefined> {
    let lookAgainMs: number | undefined;
    let after: ExpiryKey | undefined;
    for (;;) {
      const batch = await this.#store.listExpired({ after, limit: expiryBatch });
      for (const key of batch) {
        const givenUpMs = key.expireTimeMs + holderGraceMs;
        if (this.#subscriptions.holds(key.peerId, key.seq) && this.#clock.now() < givenUpMs) {
          lookAgainMs = this.#clock.now() + expiryRetryMs;
        } else {
          await this.#receipts.advance(key.peerId, key.seq, { state: ReceiptState.EXPIRED });
          this.#subscriptions.settle(key.peerId, key.seq);
        }
      }
      if (batch.length < expiryBatch || this.#isClosed) return lookAgainMs;
      after = batch.at(-1);
    }
  }
}
