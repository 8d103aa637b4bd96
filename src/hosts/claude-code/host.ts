import { join } from "node:path";
import type { ConfigChange, Installer } from "../installer.js";
import { JsonFile } from "../config-files/json-file.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { jsonServer } from "../config-files/json-server.js";
import { jointChange } from "../config-files/config-change.js";
import { serverName } from "../config-files/server-command.js";
import { claudeCodeHooks } from "./hooks.js";

/** Claude Code reads servers from `.claude.json` and `.mcp.json`; those in its settings it ignores. */
export const installClaudeCode: Installer = {
  name: "claude",
  title: "Claude Code",
  programs: ["claude"],
  traces: ({ home, claude }) => [claude ?? join(home, ".claude"), join(home, ".claude.json")],
  changes({ scope, trust, hooks, places, project, server }) {
    const { home, claude } = places;
    const [servers, settings] =
      scope === "user"
        ? [
            join(claude ?? home, ".claude.json"),
            join(claude ?? join(home, ".claude"), "settings.json"),
          ]
        : [join(project, ".mcp.json"), join(project, ".claude", "settings.local.json")];
    const entry = { type: "stdio", command: server.command, args: server.args, env: {} };
    const named = jsonServer({
      path: servers,
      dialect: strict,
      servers: "mcpServers",
      entry,
      trust: false,
    });
    const others = [
      ...(trust ? [permission(settings)] : []),
      ...(hooks
        ? [jsonHooks({ path: settings, dialect: strict, table: claudeCodeHooks, server })]
        : []),
    ];
    return others.length === 0 ? [named] : [named, jointChange(settings, others)];
  },
  hookTable: claudeCodeHooks,
  trustable: true,
  nextStep: ({ scope }) =>
    scope === "user"
      ? "Restart Claude Code; /mcp lists peerline."
      : "Restart Claude Code in this project and approve the server when it asks; /mcp lists peerline.",
};

/** It takes a file with a comment or a trailing comma for corrupted. */
const strict = { comments: false, trailingCommas: false };

/** Every tool of the server, without a question. */
const rule = `mcp__${serverName}__*`;

function permission(path: string): ConfigChange {
  const file = new JsonFile(path, strict);
  const member = { within: ["permissions", "allow"], name: undefined, value: rule };
  return {
    path,
    entry: (text) => {
      const present = file.read(text, member) !== undefined;
      return { kind: present ? "own" : "absent", shown: rule };
    },
    put: (text) => file.put(text, member),
    remove: (text, before) => file.remove(text, member, before),
  };
}
