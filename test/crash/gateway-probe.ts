import { setTimeout as sleep } from "node:timers/promises";
import type { HistoryFile } from "./history.js";
import { LightAdapter } from "./light-adapter.js";
import { probeMs } from "./limits.js";
import { Random } from "./random.js";
import { compose, sendUntilAccepted } from "./sender.js";
import type { Probe } from "./outages.js";

/** A peer that stays at one gateway, and sends to itself all the time: it tells when that accepts. */
export class GatewayProbe implements Probe, AsyncDisposable {
  readonly name: string;
  acceptedSinceMs = 0;
  readonly #adapter: LightAdapter;
  readonly #file: HistoryFile;
  readonly #running: Promise<void>;
  #isDraining = false;

  constructor(options: { name: string; address: string; secret: string; file: HistoryFile }) {
    const { name, address, secret, file } = options;
    this.name = name;
    this.#file = file;
    this.#adapter = new LightAdapter({
      name,
      secret,
      addresses: [address],
      record: file.record,
      random: new Random(name),
      returnPercent: 0,
      thinkMs: () => 0,
    });
    this.#running = this.#run();
    this.#running.catch(() => {});
  }

  /** Sends nothing new; resolves when what it sent is accepted. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDraining = true;
    await this.#adapter[Symbol.asyncDispose]();
    await this.#running.catch(() => {});
  }

  async #run(): Promise<void> {
    for (let number = 1; !this.#isDraining; number++) {
      const { name: peer } = this;
      const message = compose(peer, number, [peer]);
      this.acceptedSinceMs = await sendUntilAccepted({
        peer,
        message,
        adapter: this.#adapter,
        record: this.#file.record,
      });
      await sleep(probeMs);
    }
  }
}
