import { randomUUID } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { BrokerService, Closing_Reason } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import { usualSettings, type BrokerSettings } from "../contract/settings.js";
import { serve, type Admit, type ServedService, type StrangerBounds } from "../rpc/server.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { BrokerError } from "./broker-error.js";
import type { BrokerLog, Core, Listeners } from "./core.js";
import { Directory } from "./peers/directory.js";
import { Expiry } from "./delivery/expiry.js";
import { Notices } from "./delivery/notices.js";
import { Receipts } from "./delivery/receipts.js";
import { Machines } from "./machines/machines.js";
import { admitMachine } from "./calls/machines.js";
import { Registrar } from "./peers/registration.js";
import { Retirement } from "./peers/retirement.js";
import { createService } from "./calls/service.js";
import { Sessions } from "./peers/sessions.js";
import type { Store } from "./store/store.js";
import { Storms } from "./delivery/storms.js";
import { Streams } from "./delivery/streams.js";
import { Subscriptions } from "./delivery/subscriptions.js";

export interface Broker {
  /** BrokerService, to be served. */
  readonly service: ServedService;
  /** Who may call over TLS. A server for other machines has to ask before each call. */
  readonly admit: Admit;
  /** Hears of each connection over TLS. */
  readonly door: Door;
  /** Ends every stream with `closing`, and the work in the background. The store stays open. */
  close(): Promise<void>;
}

/** Hears of connections by their IP addresses, and says which may begin. */
export type Door = Pick<StrangerBounds, "begins" | "proved">;

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
  /** What the machine calls itself that it runs on. Default: nothing. */
  host?: string;
  /** What the operator has set, except what the store keeps. Default: the usual values. */
  settings?: BrokerSettings;
  /** Where it answers other machines. Default: nowhere. */
  listeners?: Listeners;
  /** What it is called among the brokers of its store. Default: random. */
  brokerId?: string;
}): Promise<Broker> {
  const { store, clock, log, version, operatorToken, settings = usualSettings } = options;
  const { listeners = noListeners, host = "", brokerId = randomUUID() } = options;
  const directory = new Directory(store, clock);
  const sessions = new Sessions({ store, directory, clock, log, operatorToken, brokerId });
  const localHosts = (): string[] =>
    [host, "localhost", ...[...directory.peers()].map(({ stored }) => stored.profile.host)].filter(
      (name) => name !== "",
    );
  const endSessions = (machineId: string): void => {
    sessions.closeOfMachine(machineId, Closing_Reason.UNREGISTERED, "the machine was revoked");
  };
  const machines = new Machines({ store, clock, log, localHosts, endSessions });
  const records = await store.peers.watch({
    peer: (peer) => directory.heard(peer),
    peerRemoved: (peerId) => directory.heardRemoved(peerId),
    machine: (machine) => machines.heard(machine),
    machineRemoved: (machineId) => machines.heardRemoved(machineId),
    presence: (peerId, presence) => sessions.heard(peerId, presence),
  });
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
    machines,
    listeners,
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
    brokerId,
    startMs: clock.now(),
  };
  const mail = watchOthers({ store, expiry, subscriptions });
  expiry.start();
  retirement.start((work) => registrar.inTurn(work));
  return {
    service: serve(BrokerService, createService(core, options.onStop)),
    admit: (context) => admitMachine(core, context),
    door: {
      begins: (address) => machines.begins(address),
      proved: (address) => machines.proved(address),
    },
    async close() {
      subscriptions.stop();
      stopping.abort(new BrokerError(ErrorReason.STOPPING, stoppingDetail));
      sessions.endStreams(Closing_Reason.STOPPING, stoppingDetail);
      await expiry.close();
      await retirement.close();
      await notices.close();
      await sessions.stop();
      records[Symbol.dispose]();
      mail?.[Symbol.dispose]();
    },
  };
}

/**
 * Hears of messages where several brokers serve the store: what another has accepted expires here, too, if that one
 * is gone by then. A lease ends whose message another has settled.
 */
function watchOthers({
  store,
  expiry,
  subscriptions,
}: Pick<Core, "store" | "expiry" | "subscriptions">): Disposable | undefined {
  if (!store.info.capabilities.several_brokers.has) return undefined;
  return store.history.watch({
    accepted: ({ expireTime }) => {
      if (expireTime !== undefined) expiry.expect(timestampMs(expireTime));
    },
    moved: ({ receipt: { recipient, seq, state } }) => {
      if (recipient !== undefined && state > ReceiptState.PRESENTED)
        subscriptions.settle(recipient.peerId, seq);
    },
  });
}

const noListeners: Listeners = { current: () => undefined, update: async () => undefined };

const stoppingDetail = "the broker is stopping: connect again";
