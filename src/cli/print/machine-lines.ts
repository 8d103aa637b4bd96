import { timestampMs } from "@bufbuild/protobuf/wkt";
import { MachineScope, type Machine } from "../../../gen/peerline/v1/machine_pb.js";
import { visibleLine } from "../../contract/peer-text.js";
import { table } from "./columns.js";
import type { Output } from "./output.js";
import { relativeTime } from "./words.js";

/** A table of the machines that were let in, with a head. */
export function machineLines(
  machines: readonly Machine[],
  { color }: Pick<Output, "color">,
  nowMs: number,
): string[] {
  const rows = machines.map((machine) => {
    const { name, scope, lastUseTime, lastUseAddress, revokeTime, connections } = machine;
    const isRevoked = revokeTime !== undefined;
    const usedMs = lastUseTime === undefined ? nowMs : timestampMs(lastUseTime);
    const letIn = connections > 0 ? "connected" : "away";
    const state = isRevoked ? `revoked ${relativeTime(timestampMs(revokeTime), nowMs)}` : letIn;
    return [
      visibleLine(name),
      scopeWord(scope),
      connections > 0 ? color.green(state) : color.dim(state),
      relativeTime(usedMs, nowMs),
      visibleLine(lastUseAddress) || "-",
    ];
  });
  const [head = "", ...lines] = table([["NAME", "SCOPE", "STATE", "USED", "FROM"], ...rows]);
  return [color.dim(head), ...lines];
}

export function scopeWord(scope: MachineScope): string {
  return words[scope] ?? "unknown";
}

const words: Partial<Record<MachineScope, string>> = {
  [MachineScope.AGENT]: "agent",
  [MachineScope.OBSERVE]: "observe",
  [MachineScope.OPERATE]: "operate",
};
