import { join } from "node:path";
import { jsonServers, serverEntry } from "../config-files/server-entry.js";
import { ignored, silentClient, type Host } from "../host.js";

export const vsCode: Host = {
  name: "vscode",
  title: "VS Code",
  programs: ["code"],
  traces: ({ settings }) => [join(settings, "Code", "User")],

  // Some builds append their channel, as in `Visual Studio Code - Insiders`.
  isClient: (clientName) => clientName.startsWith("Visual Studio Code"),
  ...silentClient,

  changes({ scope, places, project, server }) {
    const [user, own] = [join(places.settings, "Code", "User"), join(project, ".vscode")];
    const path = join(scope === "user" ? user : own, "mcp.json");
    const file = jsonServers(path, "servers", { comments: true, trailingCommas: true });
    const entry = { type: "stdio", command: server.command, args: server.args };
    return [serverEntry(file, { entry, trust: false })];
  },
  additions: () => [],
  otherPlaces: ({ settings }, project) =>
    ignored("mcpServers", [
      join(settings, "Code", "User", "mcp.json"),
      join(project, ".vscode", "mcp.json"),
    ]),
  trustable: false,
  nextStep: () => "In VS Code, run `MCP: List Servers`, start peerline and trust it.",
  environment: "whole",
  hooks: "none",
  findPlugin: "none",
  folderTrust: "none",
};
