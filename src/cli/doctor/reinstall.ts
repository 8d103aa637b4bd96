import type { EntryView } from "./entry-view.js";
import type { Evidence } from "./evidence.js";
import type { HostView } from "./host-view.js";

/** The command that writes an entry anew as it should be. */
export function reinstall({ self }: Evidence, { host }: HostView, { scope, kind }: EntryView) {
  const options = [
    ...(scope === "project" ? [" --scope project"] : []),
    ...(kind === "own" ? [] : [" --force"]),
  ];
  const install = `${self} install ${host.name}${options.join("")}`;
  return scope === "local" ? `claude mcp remove --scope local peerline; then ${install}` : install;
}
