import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { EndpointError } from "./endpoint-error.js";
import type { Home } from "./home.js";
import type { StartReport } from "./start-report.js";

/**
 * Starts a broker that outlives this process, and waits until it listens or has found that another
 * process holds the home. Fails with the broker's own reason. An abort ends the wait, not the broker.
 */
export async function startBroker(options: {
  home: Home;
  /** Absolute path of the program, which is run as `node program broker`. */
  program: string;
  /** The broker's whole environment, but for its home. */
  environment: Readonly<Record<string, string>>;
  signal: AbortSignal;
}): Promise<"listening" | "held"> {
  options.signal.throwIfAborted();
  const child = spawnBroker(options);
  try {
    const report = await nextReport(child, options);
    if (report.state === "failed") throw new EndpointError(report.code, report.message);
    return report.state;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

// What the broker writes to stderr before its log is open, or as it dies, goes to the log's file.
function spawnBroker(options: {
  home: Home;
  program: string;
  environment: Readonly<Record<string, string>>;
}): ChildProcess {
  const { home, program, environment } = options;
  const stderr = openSync(home.logPath, "a", 0o600);
  try {
    return spawn(process.execPath, [program, "broker"], {
      cwd: home.path,
      env: { ...environment, PEERLINE_HOME: home.path },
      detached: true,
      stdio: ["ignore", "ignore", stderr, "ipc"],
    });
  } finally {
    closeSync(stderr);
  }
}

function nextReport(
  child: ChildProcess,
  { home, signal }: { home: Home; signal: AbortSignal },
): Promise<StartReport> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    // The parent's end of the channel is always closed at the end: by the broker's end or by startBroker.
    child.once("disconnect", () => signal.removeEventListener("abort", abort));
    child.once("message", (report) => resolve(report as StartReport));
    child.on("error", (cause) => reject(startFailed("could not be started", home, cause)));
    // The channel has been read to its end by now: no report was sent.
    child.once("close", (exitCode, killedBy) => {
      const how = killedBy ?? `exit code ${exitCode}`;
      reject(startFailed(`ended before it listened (${how})`, home));
    });
  });
}

function startFailed(what: string, home: Home, cause?: unknown): EndpointError {
  const message = `The broker ${what}. Its log is ${home.logPath}`;
  return new EndpointError("BROKER_START_FAILED", message, { cause });
}
