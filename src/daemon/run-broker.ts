import { setFlagsFromString } from "node:v8";
import { StoreError } from "../broker/store/store.js";
import { setCompileBudget } from "../compile-budget.js";
import type { Config } from "../endpoint/config.js";
import { EndpointError, type EndpointErrorCode } from "../endpoint/endpoint-error.js";
import type { Home } from "../endpoint/home.js";
import { noteHolder } from "../endpoint/process-stamp.js";
import { brokerExit, reportStart } from "../endpoint/start-report.js";
import { noteStartFailure } from "../endpoint/start-turn.js";
import { VERSION } from "../endpoint/version.js";
import { brokerCompileBudget, heapGrowthPercent } from "./limits.js";
import { loadLock } from "./load-lock.js";
import { openOwnHome, refuseForeignHome } from "./own-home.js";

/**
 * Runs the broker of a home until it is asked to stop, and returns the process's exit code. Where
 * another process holds the home it says so and returns at once, before the server and the store have
 * been loaded: many may be started together.
 */
export async function runBroker(options: {
  config: Config;
  signal?: AbortSignal;
}): Promise<number> {
  process.umask(0o077);
  setCompileBudget(brokerCompileBudget);
  // For the store's thread, too, which has a heap of its own.
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
  surviveLostReaders();
  let home: Home | undefined;
  try {
    home = openOwnHome(options.config);
    refuseForeignHome(home.path);
    const { takeLock } = await loadLock();
    const lock = takeLock(home.lockPath);
    if (lock === undefined) {
      await reportStart({ state: "held" }, `A broker already serves ${home.path}.`);
      return brokerExit.done;
    }
    const holder = noteHolder(home.holderPath);
    try {
      const { runHome } = await import("./run-home.js");
      return await runHome(home, options.signal);
    } finally {
      holder[Symbol.dispose]();
      lock[Symbol.dispose]();
    }
  } catch (error) {
    const { code, message } = describeFailure(error, options.config);
    if (home !== undefined) noteStartFailure(home.startFailurePath, { code, message });
    await reportStart({ state: "failed", code, message }, message);
    return exitCodes[code] ?? brokerExit.failed;
  }
}

const exitCodes: Partial<Record<EndpointErrorCode, number>> = {
  STORE_NEWER: brokerExit.storeNewer,
  STORE_DAMAGED: brokerExit.storeDamaged,
  STORE_UNREACHABLE: brokerExit.storeUnreachable,
};

// The broker outlives whoever reads its output: a write to a closed pipe must not end it.
function surviveLostReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

function describeFailure(error: unknown, config: Config): EndpointError {
  if (error instanceof EndpointError) return error;
  if (error instanceof StoreError && error.code === "NEWER_VERSION") {
    return new EndpointError(
      "STORE_NEWER",
      `The database in ${config.home} was written by a newer version of Peerline than this one (${VERSION}). Update this one.`,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreError && error.code === "DATA_LOSS") {
    return new EndpointError("STORE_DAMAGED", `The broker does not start: ${reason}`);
  }
  return new EndpointError(
    "BROKER_START_FAILED",
    `The broker of ${config.home} did not start: ${reason}`,
  );
}
