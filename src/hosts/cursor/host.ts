import { join } from "node:path";
import type { Installer } from "../installer.js";
import { jsonServer } from "../config-files/json-server.js";

export const installCursor: Installer = {
  name: "cursor",
  title: "Cursor",
  programs: ["cursor", "cursor-agent"],
  traces: ({ home }) => [join(home, ".cursor")],
  changes: ({ scope, places, project, server }) => [
    jsonServer({
      path: join(scope === "user" ? places.home : project, ".cursor", "mcp.json"),
      dialect: { comments: true, trailingCommas: true },
      servers: "mcpServers",
      entry: { command: server.command, args: server.args },
      trust: false,
    }),
  ],
  trustable: false,
  nextStep: () => "Restart Cursor and enable peerline in its settings, under MCP.",
};
