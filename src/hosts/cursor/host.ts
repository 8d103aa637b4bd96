import { join } from "node:path";
import { jsonServers, serverEntry } from "../config-files/server-entry.js";
import { ignored, silentClient, type Host } from "../host.js";

export const cursor: Host = {
  name: "cursor",
  title: "Cursor",
  programs: ["cursor", "cursor-agent"],
  traces: ({ home }) => [join(home, ".cursor")],

  isClient: (clientName) => clientName === "cursor-vscode",
  ...silentClient,

  changes({ scope, places, project, server }) {
    const path = join(scope === "user" ? places.home : project, ".cursor", "mcp.json");
    const file = jsonServers(path, "mcpServers", { comments: true, trailingCommas: true });
    const entry = { command: server.command, args: server.args };
    return [serverEntry(file, { entry, trust: false })];
  },
  additions: () => [],
  otherPlaces: ({ home }, project) =>
    ignored(
      "servers",
      [home, project].map((folder) => join(folder, ".cursor", "mcp.json")),
    ),
  trustable: false,
  nextStep: () => "Restart Cursor and enable peerline in its settings, under MCP.",
  environment: "whole",
  hooks: "none",
  findPlugin: "none",
  folderTrust: "none",
};
