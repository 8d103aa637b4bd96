import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { systemClock } from "../clock.js";
import { chooseBrokerCommand, type BrokerCommand } from "./broker-command.js";
import { EndpointError } from "./endpoint-error.js";
import type { Home } from "./home.js";
import { toldLogBytes } from "./limits.js";
import { openRegularFile, openRegularFileForWriting, writeRegularFile } from "./regular-file.js";
import type { StartReport } from "./start-report.js";

/**
 * Starts a broker that outlives this process, and waits until it listens or has found that another
 * process holds the home. Fails with the broker's own reason. An abort ends the wait, not the broker.
 */
export async function startBroker(options: {
  home: Home;
  /** Absolute path of the program, which is run as `node program broker` as long as both are there. */
  program: string;
  /** Absolute path of the Node. Default: this process's own. */
  node?: string;
  /** The broker's whole environment, but for its home. */
  environment: Readonly<Record<string, string>>;
  signal: AbortSignal;
}): Promise<"listening" | "held"> {
  const { home, node = process.execPath, environment, signal } = options;
  signal.throwIfAborted();
  const command = await chooseBrokerCommand({ ...options, node }).catch((error: unknown) => {
    noteFailure(home, error);
    throw error;
  });
  const child = spawnBroker(command, home, environment);
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
function spawnBroker(
  { file, args }: BrokerCommand,
  home: Home,
  environment: Readonly<Record<string, string>>,
): ChildProcess {
  const stderr = openRegularFileForWriting(home.logPath, "append");
  try {
    return spawn(file, [...args, "broker"], {
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
    // The parent's end of the pipe is always closed at the end: by the broker's end or by startBroker.
    child.once("disconnect", () => signal.removeEventListener("abort", abort));
    child.once("message", (report) => resolve(report as StartReport));
    child.on("error", (cause) => {
      reject(startFailed(`could not be started (${cause.message})`, home, cause));
    });
    // The pipe has been read to its end by now: no report was sent.
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

/**
 * Writes to the broker's log why none was started, in the broker's own form, so that people and
 * doctor find it. Many agents try again and again, so what is there already is not repeated.
 */
function noteFailure({ logPath }: Home, error: unknown): void {
  if (!(error instanceof EndpointError)) return;
  const { code, message } = error;
  try {
    using log = openRegularFile(logPath);
    const size = log?.stats.size ?? 0;
    const end = log?.read(Math.max(0, size - toldLogBytes), toldLogBytes).toString() ?? "";
    if (end.includes(JSON.stringify(message))) return;
    const time = new Date(systemClock.now()).toISOString();
    const fields = { level: "error", time, pid: process.pid, err: { code, message } };
    const line = JSON.stringify({ ...fields, msg: "did not start" });
    writeRegularFile(logPath, `${line}\n`, "append");
  } catch {
    // The log cannot be written: who started it is told all the same.
  }
}
