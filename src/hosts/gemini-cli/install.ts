import { join } from "node:path";
import type { Installer } from "../installer.js";
import { jsonServer } from "../json-server.js";

export const installGeminiCli: Installer = {
  name: "gemini",
  title: "Gemini CLI",
  programs: ["gemini"],
  traces: ({ gemini }) => [join(gemini, ".gemini")],
  changes({ scope, trust, places, project, server }) {
    const entry = { command: server.command, args: server.args };
    return [
      jsonServer({
        path: join(scope === "user" ? places.gemini : project, ".gemini", "settings.json"),
        dialect: { comments: true, trailingCommas: false },
        servers: "mcpServers",
        entry,
        trusted: { ...entry, trust: true },
        trust,
      }),
    ];
  },
  trustable: true,
  nextStep: () =>
    "Restart Gemini CLI; /mcp lists peerline. It starts servers only in folders that you trust.",
};
