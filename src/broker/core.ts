import type { Clock } from "../clock.js";
import type { BrokerSettings } from "../contract/settings.js";
import type { Directory } from "./peers/directory.js";
import type { Expiry } from "./delivery/expiry.js";
import type { Receipts } from "./delivery/receipts.js";
import type { Machines } from "./machines/machines.js";
import type { Registrar } from "./peers/registration.js";
import type { Sessions } from "./peers/sessions.js";
import type { Store } from "./store/store.js";
import type { Storms } from "./delivery/storms.js";
import type { Streams } from "./delivery/streams.js";
import type { Subscriptions } from "./delivery/subscriptions.js";

/** What the calls of the service work on. */
export interface Core {
  readonly store: Store;
  readonly directory: Directory;
  readonly machines: Machines;
  readonly listeners: Listeners;
  readonly sessions: Sessions;
  readonly registrar: Registrar;
  readonly receipts: Receipts;
  readonly subscriptions: Subscriptions;
  readonly streams: Streams;
  readonly storms: Storms;
  readonly expiry: Expiry;
  /** Aborts when the broker stops, with the error for what is still open. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly settings: BrokerSettings;
  readonly log: BrokerLog;
  /** The program's version. */
  readonly version: string;
  /** Random, of this start. */
  readonly brokerId: string;
  readonly startMs: number;
}

/** Where the broker answers other machines. It is opened and closed elsewhere. */
export interface Listeners {
  /** Undefined where it does not. */
  current(): ListenerFacts | undefined;
  /** Listens as the settings say by now. LISTEN_FAILED where it cannot. */
  update(): Promise<ListenerFacts | undefined>;
}

export interface ListenerFacts {
  /** `host:port`, as it was told to listen, and as other machines reach it. */
  readonly address: string;
  readonly advertisedAddress: string;
  /** SHA-256 of its certificate authority, lower-case hex. */
  readonly caHash: string;
  /** Until when its certificate is good. */
  readonly certificateEndMs: number;
}

/** Where the broker writes what an operator should know. Never text of messages, secrets or tokens. */
export interface BrokerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
