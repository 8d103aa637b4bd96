import { join } from "node:path";
import type { Installer } from "../installer.js";
import { jointChange } from "../config-files/config-change.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { jsonServer } from "../config-files/json-server.js";
import { geminiCliHooks } from "./hooks.js";

export const installGeminiCli: Installer = {
  name: "gemini",
  title: "Gemini CLI",
  programs: ["gemini"],
  traces: ({ gemini }) => [join(gemini, ".gemini")],
  changes({ scope, trust, hooks, places, project, server }) {
    const path = join(scope === "user" ? places.gemini : project, ".gemini", "settings.json");
    const dialect = { comments: true, trailingCommas: false };
    const entry = { command: server.command, args: server.args };
    const trusted = { ...entry, trust: true };
    const named = jsonServer({ path, dialect, servers: "mcpServers", entry, trusted, trust });
    if (!hooks) return [named];
    const told = jsonHooks({ path, dialect, table: geminiCliHooks, server });
    return [jointChange(path, [named, told])];
  },
  hookTable: geminiCliHooks,
  trustable: true,
  nextStep: () =>
    "Restart Gemini CLI; /mcp lists peerline. It starts servers only in folders that you trust.",
};
