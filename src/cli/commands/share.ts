import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import { toJson } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  ListMachinesResponseSchema,
  type ListMachinesResponse,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { MachineScope, type Listener } from "../../../gen/peerline/v1/machine_pb.js";
import { formatJoinLine } from "../../contract/machines.js";
import { systemClock } from "../../clock.js";
import {
  readShareSettings,
  shareRows,
  type ShareSettings,
} from "../../endpoint/broker-settings.js";
import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { formatAddress, readAddress, type Address } from "../../endpoint/endpoint.js";
import { openHome, settingsPathIn } from "../../endpoint/home.js";
import { setShareSettings } from "../../endpoint/share-settings.js";
import { CliError, ExitCode } from "../failure.js";
import { givenPaths, type GivenOptions } from "../given-paths.js";
import { callTimeoutMs, maxEnrolmentSpanMs } from "../limits.js";
import { connectAsOperator, type Operator } from "../operator.js";
import { sharingLines } from "../print/sharing-lines.js";
import { clockTime } from "../print/words.js";
import { readSpan, type Define, type Shell } from "../shell.js";

interface ShareOptions extends GivenOptions {
  readonly uses: number;
  readonly expires: number;
  readonly scope: MachineScope;
  readonly address?: Address;
  readonly listen?: Address;
  readonly clientCa?: string;
  readonly status?: true;
  readonly json?: true;
  readonly off?: true;
}

export const define: Define = (command, shell) => {
  command
    .description(
      "Lets other machines use this home's broker, over TLS 1.3, now and after each start. Prints the one line with which " +
        "another machine joins. The line works once and ends; what that machine then keeps is a credential of its own, " +
        "which `peerline machines revoke` ends. --address, --listen, --tls-cert, --tls-key and --client-ca stay as they were last said, until --off.",
    )
    .option(
      "--address <host:port>",
      "how the other machine reaches this one",
      readOwnAddress("--address"),
    )
    .option(
      "--listen <ip:port>",
      "where to listen (all addresses, port 7899)",
      readOwnAddress("--listen"),
    )
    .option("--uses <number>", "how many machines may join with the line", readUses, 1)
    .addOption(
      command
        .createOption("--expires <time>", "how long the line is good: 15m, 2h, 1d")
        .argParser((text) => readSpan("--expires", text, maxEnrolmentSpanMs))
        .default(15 * 60, "15m"),
    )
    .addOption(
      command
        .createOption("--scope <scope>", "what they may do: agent, observe or operate")
        .argParser(readScope)
        .default(MachineScope.AGENT, "agent"),
    )
    .option(
      "--tls-cert <path>",
      "a certificate of your own authority in place of the broker's, in PEM, with all that lead to the root",
    )
    .option("--tls-key <path>", "its private key, in PEM")
    .option(
      "--client-ca <path>",
      "have other machines prove themselves by certificates of these authorities as well",
    )
    .option("--status", "say who listens where, and make no line")
    .option(
      "--json",
      "with --status: one JSON object, with the contract's ListMachinesResponse as `info`",
    )
    .option("--off", "listen to other machines no more; all lines to join with end")
    .addHelpText(
      "after",
      `
Scopes:
  agent    its agents, programs and people register and talk
  observe  it reads everything, and changes nothing
  operate  both, and what \`peerline\` does here; but it lets no machine in

Other users of a machine may see the arguments of a command there, and with them the line, until it has joined.
\`peerline join -\` reads it from standard input.

Examples:
  peerline share
  peerline share --address laptop.local:7899 --uses 20 --expires 2h
  peerline share --tls-cert /etc/pki/laptop.pem --tls-key /etc/pki/laptop.key --client-ca /etc/pki/ca.pem
  peerline share --status`,
    )
    .action((options: ShareOptions) => {
      if (options.off === true) refuseBeside(command, "--off", ["off"]);
      if (options.status === true) refuseBeside(command, "--status", ["status", "json"]);
      return share(shell, options);
    });
};

/** What makes a line, or says how, has no meaning beside an option that makes none. */
function refuseBeside(command: Command, option: string, allowed: readonly string[]): void {
  const other = command.options.find((one) => {
    const name = one.attributeName();
    return !allowed.includes(name) && command.getOptionValueSource(name) === "cli";
  });
  if (other === undefined) return;
  throw new CliError("USAGE", `${option} goes without ${other.long}: it makes no line.`);
}

async function share(shell: Shell, options: ShareOptions): Promise<void> {
  const config = readConfig();
  requireOwnBroker(config);
  if (options.status === true) return sayStatus(shell, config, options.json ?? false);
  if (options.json === true) throw new CliError("USAGE", "--json goes with --status.");
  const home = openHome(config.home);
  await using operator = await connectAsOperator({ ...shell, config, start: true });
  if (options.off === true) {
    // First, so that a line which got about ends also where the settings cannot be changed.
    const { revokedEnrolments: count } = await operator.client.revokeEnrolments(
      {},
      { timeoutMs: callTimeoutMs },
    );
    await applySettings(operator, home.settingsPath, undefined);
    await forgetCertificates(operator, home.tlsPath);
    await shell.out.lines(
      "The broker listens on its socket alone.",
      ...(count === 0 ? [] : [`Nobody can join any more with ${linesWords(count)}.`]),
    );
    return;
  }
  const present = await readShareSettings(home.settingsPath);
  const chosen = { ...chooseAddresses(options, present), ...chooseCertificates(options, present) };
  if (!isDeepStrictEqual(chosen, present)) {
    await applySettings(operator, home.settingsPath, chosen);
  } else await operator.client.updateListeners({}, { timeoutMs: callTimeoutMs });
  const { token, listener, expireTime } = await operator.client.createEnrolment(
    {
      uses: options.uses,
      expiresIn: durationFromMs(options.expires * 1000),
      scope: options.scope,
    },
    { timeoutMs: callTimeoutMs },
  );
  if (listener === undefined)
    throw new CliError("NOT_SHARED", "The broker does not listen over TLS.");
  const nowMs = systemClock.now();
  const until = clockTime(expireTime === undefined ? nowMs : timestampMs(expireTime), nowMs);
  const times = options.uses === 1 ? "once" : `${options.uses} times`;
  await shell.notes.lines(`On the other machine, until ${until} and ${times}:`);
  const { advertisedAddress: address, caSha256: caHash } = listener;
  const line = formatJoinLine({ address, token, caHash });
  await shell.out.exact(`peerline join '${line}'`);
  await shell.notes.lines(
    "If others use that machine too: they may see the arguments of a command. `peerline join -` reads the line from standard input.",
  );
}

function linesWords(count: number): string {
  return count === 1 ? "the line that was still good" : `the ${count} lines that were still good`;
}

/** The settings are as they were where the broker cannot follow them. */
async function applySettings(
  operator: Operator,
  path: string,
  settings: ShareSettings | undefined,
): Promise<void> {
  const undo = await setShareSettings(path, settings);
  try {
    await operator.client.updateListeners({}, { timeoutMs: callTimeoutMs });
  } catch (error) {
    await undo();
    await operator.client.updateListeners({}, { timeoutMs: callTimeoutMs }).catch(() => {});
    throw error;
  }
}

/** Where no machine knows the broker's authority, and none is about to, its keys are of no use. */
async function forgetCertificates({ client }: Operator, folder: string): Promise<void> {
  const { machines, enrolments } = await client.listMachines({}, { timeoutMs: callTimeoutMs });
  const isKnown = machines.some(({ revokeTime }) => revokeTime === undefined);
  if (isKnown || enrolments.length > 0 || !existsSync(folder)) return;
  // With drafts of them, which a kill leaves.
  const own = (await readdir(folder)).filter((name) =>
    /^(?:ca|server)\.pem(?:\..*\.new)?$/.test(name),
  );
  for (const name of own) await rm(join(folder, name), { force: true });
  // What somebody else has put there stays, and the folder with it.
  if ((await readdir(folder)).length === 0) await rmdir(folder);
}

function chooseAddresses(
  { address, listen }: ShareOptions,
  present: ShareSettings | undefined,
): ShareSettings {
  const port = listen?.port ?? address?.port ?? present?.listen.port ?? usualPort;
  const listening = listen ?? { host: present?.listen.host ?? "0.0.0.0", port };
  return {
    listen: listening,
    address: address ?? {
      host:
        listen === undefined && present !== undefined ? present.address.host : ownHost(listening),
      port: listen?.port ?? present?.address.port ?? port,
    },
  };
}

/** What is not said stays as it is: `--off` ends it. */
function chooseCertificates(
  options: ShareOptions,
  present: ShareSettings | undefined,
): Pick<ShareSettings, "given" | "clientCa"> {
  const given = givenPaths(options) ?? present?.given;
  const clientCa = options.clientCa === undefined ? present?.clientCa : resolve(options.clientCa);
  return {
    ...(given === undefined ? {} : { given }),
    ...(clientCa === undefined ? {} : { clientCa }),
  };
}

const usualPort = 7899;

/** How others most likely reach this machine: by its name where that has a domain, else by its first address. */
function ownHost({ host }: Address): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const name = hostname();
  if (name.includes(".")) return name;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  return outer?.address ?? name;
}

function requireOwnBroker({ ownsBroker, joined, endpoint }: Config): void {
  if (ownsBroker) return;
  throw new CliError(
    "NOT_SHARED",
    joined === undefined
      ? `PEERLINE_BROKER=${endpoint} names another home's broker: share it from that home.`
      : `This home has joined the broker at ${endpoint}: share that one on its own machine, or run \`peerline leave\` first.`,
  );
}

/** Without a broker too, so that what it will do at its next start is seen. */
async function sayStatus(shell: Shell, config: Config, json: boolean): Promise<void> {
  const settings = await readShareSettings(settingsPathIn(config.home));
  const found = await askSharing(shell, config);
  const isRunning = !(found instanceof EndpointError);
  if (!isRunning) shell.exitCode = ExitCode.noBroker;
  if (json) {
    await shell.out.json({
      running: isRunning,
      settings: settings === undefined ? null : Object.fromEntries(shareRows(settings)),
      ...(isRunning
        ? { info: toJson(ListMachinesResponseSchema, found, { alwaysEmitImplicit: true }) }
        : { problem: found.message }),
    });
    return;
  }
  if (!isRunning) {
    const later =
      settings === undefined
        ? "It is not shared: `peerline share` starts it, and has it listen to other machines."
        : `Once an agent or \`peerline share\` starts it, it listens on ${formatAddress(settings.listen)}.`;
    await shell.out.lines(found.message, later);
    return;
  }
  await shell.out.lines(
    ...trouble(settings, found.listener),
    ...sharingLines(found, shell.out, systemClock.now(), settings),
  );
}

async function askSharing(
  shell: Shell,
  config: Config,
): Promise<ListMachinesResponse | EndpointError> {
  try {
    await using operator = await connectAsOperator({ ...shell, config });
    return await operator.client.listMachines({}, { timeoutMs: callTimeoutMs });
  } catch (error) {
    if (error instanceof EndpointError && error.code === "BROKER_UNREACHABLE") return error;
    throw error;
  }
}

/** What the broker does otherwise than the settings say. */
function trouble(settings: ShareSettings | undefined, listener: Listener | undefined): string[] {
  if (settings === undefined) {
    return listener === undefined
      ? [
          "The broker listens on its socket alone: `peerline share` has it listen to other machines.",
        ]
      : ["broker.toml says nothing of this any more: `peerline share --off` ends it now."];
  }
  const listen = formatAddress(settings.listen);
  if (listener === undefined) {
    return [
      `The broker should listen on ${listen}, and does not: its log says why, and \`peerline share\` tries again.`,
    ];
  }
  const isAsSet =
    listener.address === listen && listener.advertisedAddress === formatAddress(settings.address);
  return isAsSet
    ? []
    : ["broker.toml was changed since: `peerline share` has the broker follow it."];
}

function readOwnAddress(option: string): (text: string) => Address {
  return (text) => {
    const address = readAddress(text);
    if (address !== undefined) return address;
    const form = "write HOST:PORT, with an IPv6 address in brackets";
    throw new CliError("USAGE", `${option} "${text}" is no address: ${form}.`);
  };
}

function readUses(text: string): number {
  const uses = Number(text);
  if (Number.isInteger(uses) && uses >= 1 && uses <= 1000) return uses;
  throw new CliError("USAGE", `--uses "${text}" is no whole number from 1 to 1000.`);
}

const scopes: Readonly<Record<string, MachineScope>> = {
  agent: MachineScope.AGENT,
  observe: MachineScope.OBSERVE,
  operate: MachineScope.OPERATE,
};

function readScope(text: string): MachineScope {
  const scope = Object.hasOwn(scopes, text) ? scopes[text] : undefined;
  if (scope !== undefined) return scope;
  throw new CliError("USAGE", `--scope "${text}" is none: use agent, observe or operate.`);
}
