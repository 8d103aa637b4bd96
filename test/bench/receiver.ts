import type { Delivery } from "../../gen/peerline/v1/broker_service_pb.js";
import type { BenchPeer } from "./bench-peer.js";

/** Hears of what comes to a receiver. */
export interface ReceiverListener {
  seen(): void;
  confirmed(count: number): void;
  failed(error: Error): void;
}

/** Reads a peer's stream and confirms all of it. One report is under way at a time: it has what came meanwhile. */
export class Receiver {
  readonly peer: BenchPeer;
  readonly #listener: ReceiverListener;
  #unconfirmed: string[] = [];
  #isReporting = false;

  constructor(peer: BenchPeer, listener: ReceiverListener) {
    this.peer = peer;
    this.#listener = listener;
  }

  async open(): Promise<void> {
    await this.peer.subscribe(
      (delivery) => this.#take(delivery),
      (error) => this.#listener.failed(error),
    );
  }

  #take({ deliveryId }: Delivery): void {
    this.#listener.seen();
    this.#unconfirmed.push(deliveryId);
    if (!this.#isReporting) {
      this.#report().catch((error: unknown) => this.#listener.failed(error as Error));
    }
  }

  async #report(): Promise<void> {
    this.#isReporting = true;
    while (this.#unconfirmed.length > 0) {
      const deliveryIds = this.#unconfirmed.splice(0, 1024);
      await this.peer.confirm(deliveryIds);
      this.#listener.confirmed(deliveryIds.length);
    }
    this.#isReporting = false;
  }
}
