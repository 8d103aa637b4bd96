import { join } from "node:path";
import type { Installer } from "../installer.js";
import { jsonServer } from "../config-files/json-server.js";

export const installVsCode: Installer = {
  name: "vscode",
  title: "VS Code",
  programs: ["code"],
  traces: ({ settings }) => [join(settings, "Code", "User")],
  changes: ({ scope, places, project, server }) => [
    jsonServer({
      path:
        scope === "user"
          ? join(places.settings, "Code", "User", "mcp.json")
          : join(project, ".vscode", "mcp.json"),
      dialect: { comments: true, trailingCommas: true },
      servers: "servers",
      entry: { type: "stdio", command: server.command, args: server.args },
      trust: false,
    }),
  ],
  trustable: false,
  nextStep: () => "In VS Code, run `MCP: List Servers`, start peerline and trust it.",
};
