import type { Logger } from "pino";
import { systemClock } from "../clock.js";
import type { Home } from "../endpoint/home.js";
import { brokerExit, reportStart } from "../endpoint/start-report.js";
import { forgetStartFailure, noteStartFailure } from "../endpoint/start-turn.js";
import { VERSION } from "../endpoint/version.js";
import { provenMs, stopTimeoutMs } from "./limits.js";
import { openLog } from "./log.js";
import { serveBroker } from "./serve-broker.js";
import { Shutdown, StopRequest } from "./shutdown.js";

/** The life of a broker whose home is locked: start, serve, stop. Returns the exit code. */
export async function runHome(home: Home, abort: AbortSignal | undefined): Promise<number> {
  const { logger, [Symbol.dispose]: closeLog } = openLog(home.logPath);
  const insist = (by: string) => endNow(logger, brokerExit.failed, { by }, "told twice to stop");
  const stop = new StopRequest({ abort, insist });
  const startedMs = systemClock.monotonic();
  const noteIfYoung = (words: string) => {
    if (systemClock.monotonic() - startedMs > provenMs) return;
    const message = `The broker failed soon after its start: ${words} Its log is ${home.logPath}.`;
    noteStartFailure(home.startFailurePath, { code: "BROKER_START_FAILED", message });
  };
  const crash = (error: unknown) => {
    noteIfYoung("it met a defect.");
    endNow(logger, brokerExit.crashed, { err: error }, "crashed");
  };
  process.on("uncaughtException", crash);
  const proven = systemClock.after(provenMs, () => forgetStartFailure(home.startFailurePath));
  const shutdown = new Shutdown();
  try {
    await start({ home, logger, shutdown, askStop: stop.ask, onBroken: noteIfYoung });
    const by = await stop.asked;
    return await end(by, logger, shutdown);
  } finally {
    process.off("uncaughtException", crash);
    proven[Symbol.dispose]();
    stop[Symbol.dispose]();
    closeLog();
  }
}

async function start(options: Parameters<typeof serveBroker>[0]): Promise<void> {
  const { home, logger, shutdown } = options;
  try {
    await serveBroker(options);
  } catch (error) {
    logger.fatal({ err: error, version: VERSION }, "did not start");
    await shutdown
      .run()
      .catch((failure: unknown) => logger.error({ err: failure }, "did not stop"));
    throw error;
  }
  logger.info({ version: VERSION, home: home.path, socket: home.socketPath }, "listening");
  const sentence = `peerline ${VERSION} serves ${home.path} at unix:${home.socketPath} (pid ${process.pid}); its log is ${home.logPath}`;
  await reportStart({ state: "listening" }, sentence);
}

async function end(by: string, logger: Logger, shutdown: Shutdown): Promise<number> {
  logger.info({ by }, "stopping");
  const overdue = systemClock.after(stopTimeoutMs, () =>
    endNow(logger, brokerExit.failed, { stopTimeoutMs }, "took too long to stop"),
  );
  try {
    await shutdown.run();
    logger.info({ by }, "stopped");
    return brokerExit.done;
  } catch (error) {
    logger.error({ err: error, by }, "stopped with failures");
    return brokerExit.failed;
  } finally {
    overdue[Symbol.dispose]();
  }
}

// The store bears it and the system frees the lock; to go on in an unknown state would be worse.
function endNow(logger: Logger, exitCode: number, fields: object, message: string): never {
  logger.fatal(fields, message);
  process.exit(exitCode);
}
