import { join } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import { jointChange, type ConfigChange } from "../config-files/config-change.js";
import { JsonFile } from "../config-files/json-file.js";
import { pluginStatesIn, readValues, valueAt } from "../config-files/read-values.js";
import { jsonServers, serverEntry, serverName } from "../config-files/server-entry.js";
import { findSetting } from "../doorbell/find-hooks.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { hookSeconds } from "../limits.js";
import { conversationId, ignored, type FoundPlugin, type Host, type HostHooks } from "../host.js";

const settings = { timeout: hookSeconds };
/** Waiting ends with a doorbell, and begins again when the turn that follows ends. */
const waiting = {
  asyncRewake: true,
  // In seconds: near the most that a timer takes.
  timeout: 2_000_000,
  // In the place of words about a hook that failed.
  rewakeMessage: "Doorbell:",
  rewakeSummary: "Peerline doorbell",
};

const hooks: HostHooks = {
  host: "claude",
  hooks: [
    { event: "SessionStart", facts: "known", settings },
    { event: "SessionStart", facts: "known", task: "rewake", settings: waiting },
    { event: "UserPromptSubmit", facts: "known", settings },
    { event: "PostToolUse", facts: "known", settings },
    { event: "Stop", facts: "known", settings },
    { event: "Stop", facts: "known", task: "rewake", settings: waiting },
  ],
  files: (places, project) => ({
    user: join(folderOf(places), "settings.json"),
    project: ["settings.local.json", "settings.json"].map((name) => join(project, ".claude", name)),
  }),
  findSwitch: (files) => findSetting(files, "disableAllHooks", true),
  trust: "none",
};

/** Claude Code reads servers from `.claude.json` and `.mcp.json`; those in its settings it ignores. */
export const claudeCode: Host = {
  name: "claude-code",
  title: "Claude Code",
  programs: ["claude"],
  traces: (places) => [folderOf(places), join(places.home, ".claude.json")],

  isClient: (clientName) => clientName === "claude-code",
  conversationOfProcess: ({ hostVariable }) =>
    conversationId("claude-code", hostVariable("CLAUDE_CODE_SESSION_ID")),
  conversationOfCall: () => undefined,
  sharesProcess: false,
  wake: "none",
  channel: {
    capability: "claude/channel",
    notification: (content) => ({
      method: "notifications/claude/channel",
      params: { content, meta: { kind: "doorbell" } },
    }),
  },
  // It allows hours by default, and half an hour without progress.
  maxWaitMs: 600_000,
  // It shows 30,000 characters whole, and cuts what exceeds 25,000 tokens or about 50,000 characters.
  maxResultBytes: 30_000,

  changes({ scope, trust, hooks: isHooked, places, project, server }) {
    const isUser = scope === "user";
    const path = isUser ? serversOf(places) : join(project, ".mcp.json");
    const own = isUser
      ? join(folderOf(places), "settings.json")
      : join(project, ".claude", "settings.local.json");
    const entry = { type: "stdio", command: server.command, args: server.args, env: {} };
    const named = serverEntry(jsonServers(path, "mcpServers", strict), { entry, trust: false });
    const others = [
      ...(trust ? [permission(own)] : []),
      ...(isHooked ? [jsonHooks({ path: own, dialect: strict, table: hooks, server })] : []),
    ];
    return others.length === 0 ? [named] : [named, jointChange(own, others)];
  },
  additions: () => [],
  otherPlaces(places, project) {
    const folder = folderOf(places);
    const read = ["settings.json", "settings.local.json"];
    const folders = [folder, join(project, ".claude")];
    return [
      {
        path: serversOf(places),
        within: ["projects", project, "mcpServers"],
        use: { removal: ["claude", "mcp", "remove", "--scope", "local", serverName] },
      },
      ...ignored("mcpServers", [
        ...folders.flatMap((one) => read.map((name) => join(one, name))),
        ...[".mcp.json", "mcp.json"].map((name) => join(folder, name)),
      ]),
    ];
  },
  trustable: true,
  nextStep: ({ scope }) =>
    scope === "user"
      ? "Restart Claude Code; /mcp lists peerline."
      : "Restart Claude Code in this project and approve the server when it asks; /mcp lists peerline.",
  environment: "whole",
  hooks,
  findPlugin,
  folderTrust: "none",
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

/** Of the settings that name a plugin, those nearest to the project count. */
async function findPlugin(places: UserPlaces, project: string): Promise<FoundPlugin | undefined> {
  const [own, user] = [join(project, ".claude"), folderOf(places)];
  const files = [
    { path: join(own, "settings.local.json"), scope: ["--scope", "local"] },
    { path: join(own, "settings.json"), scope: ["--scope", "project"] },
    { path: join(user, "settings.local.json"), scope: [] },
    { path: join(user, "settings.json"), scope: [] },
  ];
  const known = new Set<string>();
  for (const { path, scope } of files) {
    for (const [name, isOn] of pluginStatesIn(valueAt(await readValues(path), "enabledPlugins"))) {
      if (known.has(name)) continue;
      if (isOn) return { path, removal: ["claude", "plugin", "uninstall", name, ...scope] };
      known.add(name);
    }
  }
  return undefined;
}

const variable = "CLAUDE_CONFIG_DIR";

function folderOf({ home, pathIn }: UserPlaces): string {
  return pathIn(variable) ?? join(home, ".claude");
}

/** Beside its folder, where that is the usual one; else in it. */
function serversOf({ home, pathIn }: UserPlaces): string {
  return join(pathIn(variable) ?? home, ".claude.json");
}
