import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import stringWidth from "string-width";
import {
  GetServerInfoResponseSchema,
  StoreInfo_Durability,
  type GetServerInfoResponse,
  type StoreInfo,
  type StoreServer,
} from "../../../gen/peerline/v1/broker_service_pb.js";
import { systemClock } from "../../clock.js";
import { visibleLine } from "../../contract/peer-text.js";
import { placesText, readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError, type EndpointErrorCode } from "../../endpoint/endpoint-error.js";
import type { JoinedBroker } from "../../endpoint/joined-broker.js";
import { openHome } from "../../endpoint/home.js";
import { otherVersion } from "../../endpoint/version.js";
import { findBrokerProcess, processWords, type BrokerProcess } from "../broker-process.js";
import { ExitCode } from "../failure.js";
import { connectAsOperator, countWaiting, listPeers } from "../operator.js";
import { gap, table, wrap } from "../print/columns.js";
import { count, span } from "../print/words.js";
import type { Define, Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Says whether a broker runs, where it keeps messages, who is online and what waits.",
    )
    .option("--json", "print one JSON object, with the contract's GetServerInfoResponse as `info`")
    .addHelpText(
      "after",
      `
Ends with exit code ${ExitCode.noBroker} when no broker runs; it does not start one.

Examples:
  peerline status
  peerline status --json | jq .info.store.writable`,
    )
    .action((options: { json?: true }) => status(shell, options.json ?? false));
};

async function status(shell: Shell, json: boolean): Promise<void> {
  const config = readConfig();
  const found = await inspect(shell, config);
  if (found instanceof EndpointError) {
    shell.exitCode = ExitCode.noBroker;
    await sayAbsent(shell, config, found, json);
  } else if (json) {
    const info = toJson(GetServerInfoResponseSchema, found.info, { alwaysEmitImplicit: true });
    const { config, waitingMessages, process } = found;
    const { pid, place } = process;
    await shell.out.json({
      running: true,
      endpoint: config.endpoint,
      info,
      process: { pid, place },
      waitingMessages,
    });
  } else {
    const facts = describe(shell, found);
    const hanging = Math.max(...facts.map(([name = ""]) => stringWidth(name))) + gap.length;
    const { width } = shell.out;
    await shell.out.lines(...table(facts).flatMap((line) => wrap(line, width, { hanging })));
  }
}

interface Found {
  readonly config: Config;
  readonly info: GetServerInfoResponse;
  readonly process: BrokerProcess;
  readonly waitingMessages: number;
}

async function inspect({ program }: Shell, all: Config): Promise<Found | EndpointError> {
  try {
    await using operator = await connectAsOperator({ config: all, program });
    const { config } = operator;
    const peers = await listPeers(operator, false);
    const waitingMessages = countWaiting(peers);
    const { pid } = operator.info;
    const process: BrokerProcess =
      config.joined === undefined
        ? await findBrokerProcess(openHome(config.home), pid)
        : { pid, place: "elsewhere", stamp: undefined };
    return { config, info: operator.info, process, waitingMessages };
  } catch (error) {
    if (error instanceof EndpointError && absences.has(error.code)) return error;
    throw error;
  }
}

/** No broker answers, or none could. */
const absences = new Set<EndpointErrorCode>([
  "BROKER_UNREACHABLE",
  "MACHINE_REFUSED",
  "HOME_UNUSABLE",
  "SOCKET_PATH_TOO_LONG",
]);

async function sayAbsent(
  { out }: Shell,
  config: Config,
  { code, message }: EndpointError,
  json: boolean,
): Promise<void> {
  if (json) {
    await out.json({ running: false, endpoint: placesText(config), problem: message });
    return;
  }
  await out.lines(out.color.yellow(visibleLine(message)));
  // An error about the home says itself what helps.
  if (code !== "BROKER_UNREACHABLE") return;
  if (config.joined !== undefined) return;
  const fix = config.ownsBroker
    ? "The first agent starts one by itself; so do `peerline send`, `peerline read` and, in the foreground, `peerline broker`."
    : "PEERLINE_BROKER names it: start it there, or unset the variable to use this home's own.";
  await out.lines(fix);
}

function describe({ out }: Shell, { config, info, process, waitingMessages }: Found): string[][] {
  const { color } = out;
  const startMs = info.startTime ? timestampMs(info.startTime) : systemClock.now();
  // The clock may have been set back since.
  const uptimeMs = Math.max(0, systemClock.now() - startMs);
  const other = otherVersion(info.version, { config, self: "peerline" });
  const where = config.joined === undefined ? processWords(process) : "on another machine";
  const facts = [
    [
      "broker",
      `${color.green("running")}, version ${visibleLine(info.version)}, ${where}, up ${span(uptimeMs)}`,
    ],
    ...(other === undefined ? [] : [["version", color.yellow(`${other.seen}: ${other.fix}`)]]),
    ["endpoint", config.endpoint],
    ...(config.joined === undefined ? [] : [["joined", joinedWords(config.joined)]]),
    ["home", config.home],
    ["store", info.store ? storeWords(info.store, color) : "unknown"],
    ...serverFacts(info.store, color),
    ["peers", `${info.onlinePeers} online, ${info.knownPeers} known`],
    ["mail", `${count(waitingMessages, "message")} waiting to be seen`],
  ];
  return facts.map(([name = "", fact = ""]) => [color.dim(name), fact]);
}

function joinedWords({ machine, scope }: JoinedBroker): string {
  const sees = {
    agent: "log shows your own messages alone",
    observe: "it changes nothing",
  } as const;
  const bound = Object.hasOwn(sees, scope) ? `: ${sees[scope as keyof typeof sees]}` : "";
  return `as ${visibleLine(machine)}, scope ${visibleLine(scope)}${bound}`;
}

function storeWords(store: StoreInfo, color: Shell["out"]["color"]): string {
  const words = [store.technology, durabilities[store.durability]];
  words.push(
    store.writable
      ? "takes messages"
      : color.red(`takes no messages: ${visibleLine(store.problem)}`),
  );
  words.push(sizeWords(store));
  if (store.damagedMessages > 0n) {
    words.push(color.red(`${count(Number(store.damagedMessages), "damaged message")} set aside`));
  }
  const damages = store.damages.map((damage) => color.red(visibleLine(damage)));
  return [words.join(", "), ...damages].join("; ");
}

/** The engine's servers, and what this store cannot that others can. */
function serverFacts(store: StoreInfo | undefined, color: Shell["out"]["color"]): string[][] {
  if (store === undefined || store.servers.length === 0) return [];
  const lacking = store.capabilities.filter(({ has }) => !has);
  return [
    ["servers", store.servers.map((server) => serverWords(server, color)).join("; ")],
    ...(lacking.length === 0
      ? []
      : [["differs", lacking.map(({ description }) => visibleLine(description)).join("; ")]]),
  ];
}

function serverWords(
  { name, connected, online, behind, leads }: StoreServer,
  color: Shell["out"]["color"],
): string {
  const words = [
    visibleLine(name),
    ...(connected ? ["connected here"] : []),
    ...(leads.length > 0 ? [`leads ${leads.map(visibleLine).join(", ")}`] : []),
    ...(online ? [] : [color.red("offline")]),
    ...(online && behind > 0n ? [color.yellow(`${behind} writes behind`)] : []),
  ];
  return words.join(", ");
}

/** Room that the file already has: where there is none, it grows, and is not full. */
function sizeWords({ bytes, freeBytes, maxBytes }: StoreInfo): string {
  if (maxBytes > 0n) return `${mebibytes(bytes)} of at most ${mebibytes(maxBytes)} MiB`;
  const free = mebibytes(freeBytes);
  return `${mebibytes(bytes)} MiB${Number(free) > 0 ? `, ${free} MiB of it free for new messages` : ""}`;
}

function mebibytes(bytes: bigint): string {
  return (Number(bytes) / 2 ** 20).toFixed(1);
}

const durabilities: Record<StoreInfo_Durability, string> = {
  [StoreInfo_Durability.UNSPECIFIED]: "of unknown durability",
  [StoreInfo_Durability.QUORUM_DISK]: "survives a power cut of all servers",
  [StoreInfo_Durability.QUORUM_MEMORY]: "survives the loss of fewer than half of the servers",
  [StoreInfo_Durability.MEMORY]: "lost when the broker ends",
  [StoreInfo_Durability.DISK]: "survives a crash and a power cut",
};
