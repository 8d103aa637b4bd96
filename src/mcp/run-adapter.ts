import { Console } from "node:console";
import { setFlagsFromString } from "node:v8";
import { systemClock } from "../clock.js";
import { setCompileBudget } from "../compile-budget.js";
import { workingDirectory, type Config } from "../endpoint/config.js";
import { visibleLine } from "../contract/peer-text.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { VERSION } from "../endpoint/version.js";
import type { Adapter } from "./adapter.js";
import { adapterCompileBudget, lingerMs, loadDelayMs } from "./limits.js";
import { serve, serveProblem, type HostStreams } from "./serve.js";
import { createToolServer } from "./tool-server.js";

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
    if (process.stdin.isTTY) void greetTerminal({ config, program, log: writeLine });
    await serveAgent(config, program, streams);
    return 0;
  } finally {
    for (const name of endingSignals) process.off(name, end);
    // What a host no longer reads would keep the process from ending for ever.
    systemClock.after(lingerMs, () => process.exit());
  }
}

/**
 * Makes the process hold little memory, since each agent has one of its own. Young objects keep the 2 MB
 * that they begin with: by itself their space grows to 32 MB, with the garbage of a few large results. What
 * runs a few times at the start is not compiled either.
 */
function keepHeapLight(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setCompileBudget(adapterCompileBudget);
}

/**
 * Answers the host from here. What needs a broker is loaded a moment after the host was greeted, so that it has the
 * list of tools first, or with the first call. What cannot be loaded then is loaded for the next call, which says
 * why where it cannot.
 */
async function serveAgent(config: Config, program: string, streams: HostStreams): Promise<void> {
  const cwd = workingDirectory();
  if (cwd === undefined) streams.log(unknownDirectory);
  const { log } = streams;
  let adapter: Adapter | undefined;
  let loading: Promise<Adapter> | undefined;
  const load = async (): Promise<Adapter> => {
    loading ??= import("./adapter.js").then(
      ({ Adapter: Loaded }) => new Loaded({ config, program, cwd, server, log }),
      explainMissing,
    );
    try {
      return (adapter = await loading);
    } catch (error) {
      loading = undefined;
      throw error;
    }
  };
  const server = createToolServer(
    async (tool, parameters, extra) => (adapter ?? (await load())).call(tool, parameters, extra),
    { experimental: config.opensChannel ? await channelCapabilities() : undefined },
  );
  let loadingAhead: Disposable | undefined;
  server.oninitialized = () => {
    loadingAhead ??= systemClock.after(loadDelayMs, () => void load().catch(() => {}));
  };
  await serve(server, streams, {
    received: (message) => adapter?.received(message),
    written: (message) => adapter?.written(message),
  });
  loadingAhead?.[Symbol.dispose]();
  const loaded = await loading?.catch(() => undefined);
  await loaded?.close();
}

/** What a server declares that has a channel of its host, before the host has said which one it is. */
async function channelCapabilities(): Promise<Record<string, object>> {
  const { allHosts } = await import("../hosts/all-hosts.js");
  return Object.fromEntries(
    allHosts.flatMap(({ channel }) => (channel === "none" ? [] : [[channel.capability, {}]])),
  );
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
  const line = visibleLine(text).slice(0, maxLogLine);
  process.stderr.write(`peerline: ${line}\n`);
}

/** In characters. */
const maxLogLine = 1000;

/** Tells a person who runs the server by hand what it is, and what it would connect to. */
async function greetTerminal(options: {
  config: Config;
  program: string;
  log: (line: string) => void;
}): Promise<void> {
  const { config, program, log } = options;
  log(
    `MCP server ${VERSION}. Coding agents start it themselves, once \`peerline install\` has told them of it.`,
  );
  try {
    const { connectBroker } = await import("../endpoint/connect.js");
    const connection = await connectBroker({ config, program, start: false });
    const { endpoint, info } = connection;
    await connection.close();
    log(`broker ${info.version} runs at ${endpoint}.`);
  } catch (error) {
    log(error instanceof Error ? error.message : String(error));
  }
  log("waiting for an MCP client on standard input; Ctrl-C ends it.");
}
