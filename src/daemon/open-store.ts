import { StoreError, type Store } from "../broker/store/store.js";
import { systemClock, type Clock } from "../clock.js";
import type { Home } from "../endpoint/home.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import type { NatsSettings, StoreSettings } from "../endpoint/store-settings.js";
import { VERSION } from "../endpoint/version.js";
import type { StoreLimits } from "../store/limits.js";
import { openSqliteStore } from "../store/sqlite/sqlite-store.js";
import type { Logger } from "pino";

export interface OpenStoreOptions {
  readonly home: Home;
  readonly settings: StoreSettings;
  readonly limits: StoreLimits;
  readonly logger: Logger;
  /** Hears once that the store takes nothing any more, and that only another process can change that. */
  readonly onBroken: (error: StoreError) => void;
}

export interface OpenedStore {
  readonly store: Store;
  /** The time by which its records are judged: the engine's, where several brokers share one. */
  readonly clock: Clock;
}

/**
 * Opens what the settings name. An engine that others keep comes back by itself after an outage. A database that
 * failed does not, nor does an engine that has lost what it had: `onBroken`. What an engine needs
 * is loaded only where the settings name one.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { home, settings, limits, logger, onBroken } = options;
  if (settings.technology === "nats") return openEngine(settings, options);
  const store = await openSqliteStore({
    path: home.databasePath,
    clock: systemClock,
    limits,
    onDefect: (error) => logger.error({ err: error }, "the store's housekeeping failed"),
    onDamage: (words) => logger.error({ damage: words }, "the store found damage"),
    onBroken,
  });
  return { store, clock: systemClock };
}

/** STORE_UNREACHABLE where it cannot be used now, STORE_NEWER where a newer program made its streams. */
async function openEngine(
  settings: NatsSettings,
  { limits, logger, onBroken }: OpenStoreOptions,
): Promise<OpenedStore> {
  const { readNatsAccess } = await import("../endpoint/nats-access.js");
  const nats = await readNatsAccess(settings, systemClock.now());
  const { openNatsStore } = await import("../store/nats/nats-store.js");
  const { EngineClock } = await import("../store/nats/engine-clock.js");
  const clock = new EngineClock(systemClock);
  try {
    const store = await openNatsStore({
      nats,
      version: VERSION,
      clock,
      limits,
      tell: (words) => logger.warn({ trouble: words }, "the store has trouble"),
      onBroken,
      onLink: (state) => {
        if (state.state === "connected") logger.info(state, "connected to NATS");
        else if (state.state !== "closed") logger.error(state, "lost NATS: it takes no messages");
      },
    });
    return { store, clock };
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    const code = cause.code === "NEWER_VERSION" ? "STORE_NEWER" : "STORE_UNREACHABLE";
    throw new EndpointError(code, `The broker does not start: ${cause.message}`, { cause });
  }
}
