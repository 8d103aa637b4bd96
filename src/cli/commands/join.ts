import { existsSync } from "node:fs";
import { hostname } from "node:os";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { CodedError } from "../../coded-error.js";
import { visibleLine } from "../../contract/peer-text.js";
import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { openHome } from "../../endpoint/home.js";
import { joinBroker, readLine, type ReadLine } from "../../endpoint/join-broker.js";
import {
  keepJoinedBroker,
  readJoinedBroker,
  removeEmptyHome,
  type JoinedBroker,
} from "../../endpoint/joined-broker.js";
import { RpcError } from "../../rpc/error.js";
import { CliError } from "../failure.js";
import { givenPaths, type GivenOptions } from "../given-paths.js";
import { callTimeoutMs, maxJoinLineBytes } from "../limits.js";
import { connectAsOperator, countWaiting, listPeers } from "../operator.js";
import { scopeWord } from "../print/machine-lines.js";
import { count } from "../print/words.js";
import { catchInterruption, readStdin, type Define, type Shell } from "../shell.js";
import { revokeSelf } from "./leave.js";
import { stopBroker } from "./stop.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Has the agents of this home use the broker of another machine, by the line that `peerline share` printed there. " +
        "The broker is known by the line's hash: nothing is trusted that it does not prove. From then on this home starts " +
        "no broker of its own; `peerline leave` undoes that.",
    )
    .argument(
      "<line>",
      "peerline://HOST:PORT/TOKEN#sha256:HASH, or - to read it from standard input",
    )
    .option("--name <name>", "what the broker is to call this machine (its host name)")
    .option(
      "--tls-cert <path>",
      "the certificate of this machine, in PEM, where the broker asks for one (`peerline share --client-ca`)",
    )
    .option("--tls-key <path>", "its private key, in PEM")
    .addHelpText(
      "after",
      `
Examples:
  peerline join 'peerline://laptop.local:7899/3kf9...#sha256:9d2c...'
  ssh laptop peerline share | peerline join -`,
    )
    .action((line: string, options: JoinOptions) => join(shell, line, options));
};

interface JoinOptions extends GivenOptions {
  readonly name?: string;
}

async function join(shell: Shell, argument: string, options: JoinOptions): Promise<void> {
  using interruption = catchInterruption();
  const given = givenPaths(options);
  const { name: host = hostname() } = options;
  const { signal } = interruption;
  const config = readConfig();
  refuseSecond(config);
  const text = argument === "-" ? await readStdin(process.stdin, maxJoinLineBytes) : argument;
  const line = readLine(lineIn(text));
  await refuseOwn(shell, config, line);
  const madeHome = !existsSync(config.home);
  const { path: home } = openHome(config.home);
  try {
    const certificate = given === undefined ? {} : { given };
    const { place, machine } = await joinBroker({ line, home, host, ...certificate, signal });
    const scope = scopeWord(machine.scope);
    const broker = { ...place, machine: machine.name.slice(0, maxNameTold), scope, madeHome };
    if (!(await keepJoinedBroker(home, broker))) throw await outrun(home, broker, signal);
    const own = await stopOwn(shell, config);
    await shell.out.lines(...(await greeting(shell, broker)), ...own);
  } catch (error) {
    if (madeHome) removeEmptyHome(home);
    throw error;
  }
}

/** Another process has joined this home meanwhile: with the same line it is the same machine. */
async function outrun(home: string, broker: JoinedBroker, signal: AbortSignal): Promise<CliError> {
  const kept = readJoinedBroker(home);
  if (kept?.credential !== broker.credential) await revokeSelf(broker, signal).catch(() => {});
  return joinedAlready(readConfig().endpoint);
}

/** Agents would be told to use this home's broker over TLS, and to start none. */
async function refuseOwn(shell: Shell, config: Config, line: ReadLine): Promise<void> {
  if ((await ownAuthority(shell, config)) !== line.caHash) return;
  throw new CliError(
    "JOINED_ALREADY",
    "This line is of this home's own broker, which agents here use as it is: run `peerline join` on the other machine.",
  );
}

/** By which other machines know this home's own broker; undefined where none runs, or it is not shared. */
async function ownAuthority({ program }: Shell, config: Config): Promise<string | undefined> {
  try {
    await using operator = await connectAsOperator({ config, program });
    const found = await operator.client.listMachines({}, { timeoutMs: callTimeoutMs });
    return found.listener?.caSha256;
  } catch (error) {
    // A broker that answers nothing, or not this home, shares nothing.
    if (error instanceof CodedError || error instanceof RpcError) return undefined;
    throw error;
  }
}

/** With the command in front of it, as `peerline share` prints it, or without. */
function lineIn(text: string): string {
  return /peerline:\/\/[^\s']+/.exec(text)?.[0] ?? text;
}

function refuseSecond({ joined, named, endpoint }: Config): void {
  if (joined !== undefined && named === undefined) throw joinedAlready(endpoint);
  if (named !== undefined) {
    throw new CliError(
      "JOINED_ALREADY",
      "PEERLINE_BROKER names a broker: unset it to join another.",
    );
  }
}

function joinedAlready(endpoint: string): CliError {
  return new CliError(
    "JOINED_ALREADY",
    `This home has joined the broker at ${endpoint}: run \`peerline leave\` first.`,
  );
}

/** It has joined, whatever the broker says of its peers. */
async function greeting(shell: Shell, { machine, scope }: JoinedBroker): Promise<string[]> {
  const config = readConfig();
  const joined = `Joined the broker at ${config.endpoint} as ${visibleLine(machine)} (scope ${scope}).`;
  try {
    await using operator = await connectAsOperator({ ...shell, config });
    return [joined, whoIsOnline(await listPeers(operator, true))];
  } catch (error) {
    if (!(error instanceof CodedError || error instanceof RpcError)) throw error;
    return [joined, `Who is online there is not known now: ${visibleLine(error.message)}`];
  }
}

function whoIsOnline(online: readonly Peer[]): string {
  const names = online.slice(0, maxNamesTold).map((peer) => visibleLine(peer.name));
  const more = online.length > names.length ? ` and ${online.length - names.length} more` : "";
  return online.length === 0
    ? "Nobody is online there."
    : `Online there: ${names.join(", ")}${more}.`;
}

const maxNamesTold = 12;
/** Of the name that a broker gives this machine; an honest one gives fewer characters. */
const maxNameTold = 64;

/** Agents that use this home's own broker come over once it has ended. Its mail waits for `peerline leave`. */
async function stopOwn({ program }: Shell, config: Config): Promise<string[]> {
  try {
    await using operator = await connectAsOperator({ config, program });
    const waiting = countWaiting(await listPeers(operator, false));
    await stopBroker({ config, program });
    const mail =
      waiting === 0
        ? ""
        : ` ${count(waiting, "unread message")} stay there until \`peerline leave\`.`;
    return [`This home's own broker was stopped: agents that run come over.${mail}`];
  } catch (error) {
    const isAbsent = error instanceof EndpointError && error.code === "BROKER_UNREACHABLE";
    if (isAbsent) return [];
    const why = error instanceof Error ? error.message : String(error);
    return [
      `This home's own broker could not be stopped (${why}): agents that use it stay until it ends.`,
    ];
  }
}
