import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { ListMachinesResponse } from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Enrolment, Listener, Machine } from "../../../gen/peerline/v1/machine_pb.js";
import type { ShareSettings } from "../../endpoint/broker-settings.js";
import { visibleLine } from "../../contract/peer-text.js";
import { table } from "./columns.js";
import { scopeWord } from "./machine-lines.js";
import type { Output } from "./output.js";
import { clockTime, count, span } from "./words.js";

/** Where a broker listens to other machines, who may join, and who is connected. */
export function sharingLines(
  { listener, machines, enrolments }: ListMachinesResponse,
  { color }: Pick<Output, "color">,
  nowMs: number,
  settings?: ShareSettings,
): string[] {
  const letIn = machines.filter(({ revokeTime }) => revokeTime === undefined);
  const connected = letIn.filter(({ connections }) => connections > 0);
  const facts = [
    ...(listener === undefined ? [] : listenerFacts(listener, nowMs, settings)),
    ...named(
      "may join",
      enrolments.map((enrolment) => enrolmentWords(enrolment, nowMs)),
    ),
    ...named("connected", connected.map(machineWords)),
    ["let in", `${count(letIn.length, "machine")}; \`peerline machines\` lists them`],
  ];
  return table(facts.map(([name = "", fact = ""]) => [color.dim(name), fact]));
}

function listenerFacts(
  listener: Listener,
  nowMs: number,
  { given, clientCa }: Pick<ShareSettings, "given" | "clientCa"> = {},
): string[][] {
  const { address, advertisedAddress, caSha256, certificateExpireTime: end } = listener;
  return [
    ["listens", `${visibleLine(address)}, over TLS 1.3`],
    ["reached at", visibleLine(advertisedAddress)],
    ["certificate", `good until ${endWords(end, nowMs)}`],
    ...(given === undefined ? [] : [["", `from ${visibleLine(given.certificate)}`]]),
    ...(clientCa === undefined ? [] : [["asks for", `certificates by ${visibleLine(clientCa)}`]]),
    ["authority", `sha256:${visibleLine(caSha256)}`],
  ];
}

function enrolmentWords({ usesLeft, scope, expireTime }: Enrolment, nowMs: number): string {
  const who = `${count(usesLeft, "machine")} of scope ${scopeWord(scope)}`;
  return `${who}, until ${endWords(expireTime, nowMs)}`;
}

function machineWords({ name, scope, lastUseAddress, connections }: Machine): string {
  const from = `${count(connections, "connection")}, last from ${visibleLine(lastUseAddress)}`;
  return `${visibleLine(name)} (${scopeWord(scope)}), ${from}`;
}

function endWords(end: Timestamp | undefined, nowMs: number): string {
  const endMs = end === undefined ? nowMs : timestampMs(end);
  return endMs < nowMs
    ? `${clockTime(endMs, nowMs)}, which is over`
    : `${clockTime(endMs, nowMs)}, ${span(endMs - nowMs)} from now`;
}

/** One row for each; the name stands before the first. */
function named(name: string, facts: readonly string[]): string[][] {
  if (facts.length === 0) return [[name, "nobody"]];
  return facts.map((fact, index) => [index === 0 ? name : "", fact]);
}
