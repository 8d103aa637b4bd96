import { pathToFileURL } from "node:url";
import type { Store } from "../../src/broker/store/store.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { storeLimits } from "../../src/store/limits.js";
import { openNatsStore } from "../../src/store/nats/nats-store.js";
import { openSqliteStore } from "../../src/store/sqlite/sqlite-store.js";

/** Where a store is, as JSON. */
export type StorePlace =
  /** A database, and the built worker. */
  | { readonly technology: "sqlite"; readonly path: string; readonly worker: string }
  /** Servers as `host:port`, each stream on so many of them. */
  | { readonly technology: "nats"; readonly servers: readonly string[]; readonly replicas: number };

/** Over these servers, each stream on all of them. */
export function natsPlace(urls: readonly string[]): StorePlace {
  const servers = urls.map((url) => new URL(url).host);
  return { technology: "nats", servers, replicas: urls.length };
}

/** Opens a store whose bounds no run reaches. */
export function openBenchStore(place: StorePlace, clock: Clock = systemClock): Promise<Store> {
  if (place.technology === "sqlite") {
    const { path, worker } = place;
    const limits = { ...wide, maxMailBytes: 1e12 };
    return openSqliteStore({ path, clock, workerUrl: pathToFileURL(worker), limits });
  }
  return openNatsStore({
    nats: {
      servers: place.servers,
      requireTls: false,
      tls: {},
      login: () => undefined,
      prefix: "peerline",
      replicas: place.replicas,
      syncAlways: false,
    },
    version: "0.0.0",
    clock,
    // Servers refuse a stream that could take more than their disk has.
    limits: { ...storeLimits, ...wide, maxMailBytes: 4 * 1024 ** 3 },
    tell: (words) => console.error(words),
  });
}

const wide = { maxQueueMessages: 1e9, maxQueueBytes: 1e12 };
