import { Console } from "node:console";
import { systemClock } from "../clock.js";
import { workingDirectory, type Config } from "../endpoint/config.js";
import { connectBroker } from "../endpoint/connect.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { VERSION } from "../endpoint/version.js";
import { findHostProcess } from "../hosts/doorbell/box-folder.js";
import { serveAgent } from "./adapter.js";
import { lingerMs } from "./limits.js";
import { serveProblem, type HostStreams } from "./serve.js";

/**
 * Runs the MCP server of one agent on the process's own streams, until its host closes them or asks the
 * process to end. Resolves to the exit code.
 */
export async function runAdapter(options: {
  /** The settings, or why they cannot be used. */
  config: Config | EndpointError;
  /** Absolute path of the program, with which a broker is started. */
  program: string;
}): Promise<number> {
  const { config, program } = options;
  // Standard output is the protocol's alone, whatever a dependency may print.
  globalThis.console = new Console(process.stderr);
  // The host may close the log's pipe before it ends the process.
  process.stderr.on("error", () => {});

  const ending = new AbortController();
  const end = (): void => ending.abort();
  for (const name of endingSignals) process.on(name, end);
  const streams: HostStreams = {
    input: process.stdin,
    output: process.stdout,
    parentPid: () => process.ppid,
    signal: ending.signal,
    log: writeLine,
  };
  try {
    if (config instanceof EndpointError) {
      await serveProblem(config.message, streams);
      return 0;
    }
    const cwd = workingDirectory();
    if (cwd === undefined) writeLine(unknownDirectory);
    if (process.stdin.isTTY) void greetTerminal({ config, program, log: writeLine });
    await serveAgent({
      config,
      program,
      cwd,
      hostPid: findHostProcess(),
      ...streams,
    });
    return 0;
  } finally {
    for (const name of endingSignals) process.off(name, end);
    // What a host no longer reads would keep the process from ending for ever.
    systemClock.after(lingerMs, () => process.exit());
  }
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const unknownDirectory =
  "the working directory was removed: this agent's project is not known, and it is named `peer` unless PEERLINE_NAME says otherwise.";

function writeLine(text: string): void {
  const line = text.replaceAll(/\s+/g, " ").slice(0, maxLogLine);
  process.stderr.write(`peerline: ${line}\n`);
}

/** In characters. */
const maxLogLine = 1000;

/** Tells a person who runs the server by hand what it is, and what it would connect to. */
export async function greetTerminal(options: {
  config: Config;
  program: string;
  log: (line: string) => void;
}): Promise<void> {
  const { config, program, log } = options;
  log(
    `MCP server ${VERSION}. Coding agents start it themselves, once \`peerline install\` has told them of it.`,
  );
  try {
    const connection = await connectBroker({ config, program, start: false });
    const { version } = connection.info;
    await connection.close();
    log(`broker ${version} runs at ${config.endpoint}.`);
  } catch (error) {
    log(error instanceof Error ? error.message : String(error));
  }
  log("waiting for an MCP client on standard input; Ctrl-C ends it.");
}
