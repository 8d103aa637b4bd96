import { hostname } from "node:os";
import type { Machine } from "../../../gen/peerline/v1/machine_pb.js";
import { visibleLine } from "../../contract/peer-text.js";
import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { openHome } from "../../endpoint/home.js";
import { joinBroker } from "../../endpoint/join-broker.js";
import { keepJoinedBroker } from "../../endpoint/joined-broker.js";
import { CliError } from "../failure.js";
import { givenPaths, type GivenOptions } from "../given-paths.js";
import { maxJoinLineBytes } from "../limits.js";
import { connectAsOperator, countWaiting, listPeers } from "../operator.js";
import { scopeWord } from "../print/machine-lines.js";
import { count } from "../print/words.js";
import { catchInterruption, readStdin, type Define, type Shell } from "../shell.js";
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
  const config = readConfig();
  refuseSecond(config);
  const { path } = openHome(config.home);
  const text = argument === "-" ? await readStdin(process.stdin, maxJoinLineBytes) : argument;
  const { signal } = interruption;
  const { broker, machine } = await joinBroker({
    line: lineIn(text),
    host,
    ...(given === undefined ? {} : { given }),
    signal,
  });
  await keepJoinedBroker(path, broker);
  await shell.out.lines(...(await greeting(shell, machine)), ...(await stopOwn(shell, config)));
}

/** With the command in front of it, as `peerline share` prints it, or without. */
function lineIn(text: string): string {
  return /peerline:\/\/[^\s']+/.exec(text)?.[0] ?? text;
}

function refuseSecond({ joined, named, endpoint }: Config): void {
  if (joined !== undefined && named === undefined) {
    throw new CliError(
      "JOINED_ALREADY",
      `This home has joined the broker at ${endpoint}: run \`peerline leave\` first.`,
    );
  }
  if (named !== undefined) {
    throw new CliError(
      "JOINED_ALREADY",
      "PEERLINE_BROKER names a broker: unset it to join another.",
    );
  }
}

async function greeting(shell: Shell, machine: Machine | undefined): Promise<string[]> {
  const config = readConfig();
  await using operator = await connectAsOperator({ ...shell, config });
  const online = await listPeers(operator, true);
  const scope = machine === undefined ? "" : ` (scope ${scopeWord(machine.scope)})`;
  const names = online.slice(0, maxNamesTold).map((peer) => visibleLine(peer.name));
  const more = online.length > names.length ? ` and ${online.length - names.length} more` : "";
  return [
    `Joined the broker at ${config.endpoint} as ${visibleLine(machine?.name ?? "this machine")}${scope}.`,
    online.length === 0 ? "Nobody is online there." : `Online there: ${names.join(", ")}${more}.`,
  ];
}

const maxNamesTold = 12;

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
