import { randomUUID } from "node:crypto";
import { BrokerService, Closing_Reason } from "../../gen/peerline/v1/broker_service_pb.js";
import type { Clock } from "../clock.js";
import { usualSettings, type BrokerSettings } from "../contract/settings.js";
import { serve, type ServedService } from "../rpc/server.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { BrokerError } from "./broker-error.js";
import type { BrokerLog } from "./core.js";
import type { Core } from "./core.js";
import { Directory } from "./peers/directory.js";
import { Expiry } from "./delivery/expiry.js";
import { Notices } from "./delivery/notices.js";
import { Receipts } from "./delivery/receipts.js";
import { Registrar } from "./peers/registration.js";
import { Retirement } from "./peers/retirement.js";
import { createService } from "./calls/service.js";
import { Sessions } from "./peers/sessions.js";
import type { Store } from "./store.js";
import { Storms } from "./delivery/storms.js";
import { Streams } from "./delivery/streams.js";
import { Subscriptions } from "./delivery/subscriptions.js";

export interface Broker {
  /** BrokerService, to be served. */
  readonly service: ServedService;
  /** Ends every stream with `closing`, and the work in the background. The store stays open. */
  close(): Promise<void>;
}

/**
 * The rules over a store.
 *
 * @param options.operatorToken what `Bearer` of the operator holds.
 * @param options.onStop called after an operator's StopBroker has been answered.
 */
export async function createBroker(options: {
  store: Store;
  clock: Clock;
  log: BrokerLog;
  version: string;
  operatorToken: string;
  onStop: () => void;
  /** What the operator has set, except what the store keeps. Default: the usual values. */
  settings?: BrokerSettings;
}): Promise<Broker> {
  const { store, clock, log, version, operatorToken, settings = usualSettings } = options;
  const directory = await Directory.load(store, clock);
  const sessions = new Sessions({ directory, clock, operatorToken });
  const receipts = new Receipts(store);
  const subscriptions = new Subscriptions({ store, directory, sessions, receipts, clock, log });
  const retirement = new Retirement({ directory, sessions, clock, settings, log });
  const registrar = new Registrar({ directory, sessions, retirement, clock, settings, log });
  const stopping = new AbortController();
  const expiry = new Expiry({ store, receipts, subscriptions, clock, log });
  const notices = new Notices({ store, directory, receipts, clock, log });
  const core: Core = {
    store,
    directory,
    sessions,
    registrar,
    receipts,
    subscriptions,
    streams: new Streams(clock),
    storms: new Storms(clock, settings),
    expiry,
    stopping: stopping.signal,
    clock,
    settings,
    log,
    version,
    brokerId: randomUUID(),
    startMs: clock.now(),
  };
  expiry.start();
  retirement.start((work) => registrar.inTurn(work));
  return {
    service: serve(BrokerService, createService(core, options.onStop)),
    async close() {
      subscriptions.stop();
      stopping.abort(new BrokerError(ErrorReason.STOPPING, stoppingDetail));
      sessions.endStreams(Closing_Reason.STOPPING, stoppingDetail);
      await expiry.close();
      await retirement.close();
      await notices.close();
    },
  };
}

const stoppingDetail = "the broker is stopping: connect again";
