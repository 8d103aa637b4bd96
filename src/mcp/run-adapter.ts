import { Console } from "node:console";
import { systemClock } from "../clock.js";
import { workingDirectory, type Config } from "../endpoint/config.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { usualInstructions } from "./instructions.js";
import { keepHeapLight } from "./light-heap.js";
import { lingerMs } from "./limits.js";
import { serve, serveProblem, type HostStreams } from "./serve.js";
import type { ToolServer } from "./tool-server.js";

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
  keepHeapLight();
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
    if (process.stdin.isTTY) {
      const { greetTerminal } = await import("./greet-terminal.js");
      void greetTerminal({ config, program, log: writeLine });
    }
    await serveAgent(config, program, streams);
    return 0;
  } finally {
    for (const name of endingSignals) process.off(name, end);
    // What a host no longer reads would keep the process from ending for ever.
    systemClock.after(lingerMs, () => process.exit());
  }
}

/** The host is answered from here; what needs a broker is loaded then. */
async function serveAgent(config: Config, program: string, streams: HostStreams): Promise<void> {
  const cwd = workingDirectory();
  if (cwd === undefined) streams.log(unknownDirectory);
  const experimental = config.opensChannel
    ? (await import("./channel.js")).channelCapabilities
    : undefined;
  const options = {
    instructions: usualInstructions,
    experimental,
    load: async (server: ToolServer) => {
      const { Adapter } = await import("./adapter.js").catch(explainMissing);
      return new Adapter({ config, program, cwd, server, log: streams.log });
    },
  };
  await serve(options, streams);
}

function explainMissing(cause: unknown): never {
  const sentence =
    "Peerline's own files cannot be loaded, as after an upgrade: tell your user to restart this agent, so that it runs what is installed now.";
  throw new Error(sentence, { cause });
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
