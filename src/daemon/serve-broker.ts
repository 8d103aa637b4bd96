import { randomUUID } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import { hostname } from "node:os";
import type { Logger } from "pino";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { describeFault } from "../broker/broker-error.js";
import { createBroker, type Broker } from "../broker/broker.js";
import { systemClock } from "../clock.js";
import type { Home } from "../endpoint/home.js";
import { readBrokerSettings } from "../endpoint/broker-settings.js";
import { readStoreSettings } from "../endpoint/store-settings.js";
import { openOperatorToken } from "../endpoint/secrets.js";
import { VERSION } from "../endpoint/version.js";
import { createHealth } from "../rpc/health.js";
import { maxConnections, tlsKeepaliveTimeMs } from "../rpc/limits.js";
import { reflectionServices } from "../rpc/reflection.js";
import { createServer, type Admit } from "../rpc/server.js";
import { storeLimitsOf } from "../store/limits.js";
import { openStore } from "./open-store.js";
import { maxTlsConnections, otherOpenFiles, stopGraceMs } from "./limits.js";
import type { Shutdown } from "./shutdown.js";
import { TlsListener } from "./tls-listener.js";
import { watchFiles } from "./watch-files.js";

/**
 * Opens the store and answers on the home's socket. The caller holds the home's lock. Each part is
 * added to `shutdown` once it runs, so that a start which fails half-way is undone the same way.
 */
export async function serveBroker(options: {
  home: Home;
  logger: Logger;
  shutdown: Shutdown;
  /** Asks for the whole process to stop, and says on whose behalf. */
  askStop: (by: string) => void;
  /** Is told why the store takes nothing any more, before that ends the process. */
  onBroken: (words: string) => void;
}): Promise<void> {
  const { home, logger, shutdown, askStop, onBroken } = options;
  const brokerId = randomUUID();
  const settings = await readBrokerSettings(home.settingsPath);
  const operatorToken = await openOperatorToken(home);

  const { store, clock } = await openStore({
    home,
    settings: await readStoreSettings(home.settingsPath),
    limits: storeLimitsOf(settings),
    logger,
    // The next broker, which the agents start by themselves, finds out what is on the disk.
    onBroken: (error) => {
      logger.fatal({ err: error }, "the store failed");
      onBroken(error.message);
      askStop("a failure of the store");
    },
  });
  shutdown.add("store", () => store[Symbol.asyncDispose]());

  const tls = new TlsListener({
    home,
    logger,
    clock: systemClock,
    open: () =>
      openServer(
        { connections: Math.min(maxTlsConnections, connectionsThatFit()) },
        { admit: broker.admit, keepaliveTimeMs: tlsKeepaliveTimeMs },
      ),
    door: {
      begins: (address) => broker.door.begins(address),
      proved: (address) => broker.door.proved(address),
    },
  });
  const broker: Broker = await createBroker({
    store,
    clock,
    version: VERSION,
    host: hostname(),
    operatorToken,
    onStop: () => askStop("StopBroker"),
    settings,
    log: logger,
    listeners: tls,
    brokerId,
  });
  const health = createHealth();
  const openServer = (
    bounds: { connections: number },
    forMachines: { admit?: Admit; keepaliveTimeMs?: number } = {},
  ) =>
    createServer({
      services: [broker.service, health.service, ...reflectionServices([BrokerService, Health])],
      onDefect: (error, method) => logger.error({ err: error, method }, "a handler failed"),
      describe: describeFault,
      onBound: (words) => logger.warn({}, words),
      bounds,
      ...forMachines,
    });
  const server = openServer({ connections: connectionsThatFit() });

  // A broker that was killed left its socket; the lock says that none of them is alive.
  await rm(home.socketPath, { force: true });
  await server.listen(`unix:${home.socketPath}`);
  shutdown.add("server", () => server.stop(stopGraceMs));
  await chmod(home.socketPath, 0o600);
  shutdown.add("TLS listener", () => tls.stop());
  // Streams hear that the broker closes before the server begins to wait for them.
  shutdown.add("broker", () => broker.close());
  shutdown.add("health service", () => health.end());
  health.set(BrokerService.typeName, true);
  // Agents of this machine need it not: what is wrong is logged, and `peerline share --status` tells it.
  await tls.update().catch((error: unknown) => {
    logger.error({ err: error }, "does not listen over TLS");
  });

  // Without its socket no one finds this broker; without its home there may soon be a second one. The
  // token stands for the home's files: to watch the lock's could free the lock (see takeLock).
  const watched = { folder: home.path, files: [home.socketPath, home.operatorTokenPath] };
  const watch = watchFiles(watched, (path, loss) => askStop(`${path} was ${loss}`));
  shutdown.add("watch", () => watch[Symbol.dispose]());
}

/**
 * How many connections the broker takes. Each is an open file. Where the process has no more of these,
 * the system closes every new connection without a word, and neither log nor database can be opened.
 */
export function connectionsThatFit(): number {
  const limit = openFilesAllowed();
  if (limit === undefined) return maxConnections;
  return Math.min(maxConnections, Math.max(limit - otherOpenFiles, Math.ceil(limit / 2)));
}

/** As `ulimit -n` has it; undefined where there is no bound, or none is known. */
function openFilesAllowed(): number | undefined {
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : undefined;
}
