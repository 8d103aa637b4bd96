import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { AbortScope } from "../../abort-scope.js";
import { workingDirectory, type UserPlaces } from "../../endpoint/config.js";
import { pluginStatesIn, readValues, valueAt } from "../config-files/read-values.js";
import { addition, serverEntry, type ServerFile } from "../config-files/server-entry.js";
import { tomlServers } from "../config-files/toml-servers.js";
import { findSetting, type FoundHook } from "../doorbell/find-hooks.js";
import type { HookTable } from "../doorbell/hook.js";
import { jsonHooks } from "../doorbell/json-hooks.js";
import { hookSeconds } from "../limits.js";
import { conversationId, ignored, type Host, type HostHooks, type WakeResult } from "../host.js";

const settings = { timeout: hookSeconds };

const hooks: HostHooks = {
  host: "codex",
  hooks: [
    { event: "SessionStart", facts: "known", settings },
    { event: "UserPromptSubmit", facts: "known", settings },
    { event: "PostToolUse", facts: "known", settings },
    { event: "Stop", facts: "known", settings },
  ],
  files: (places, project) => ({
    user: join(folderOf(places), "hooks.json"),
    project: [join(project, ".codex", "hooks.json")],
  }),
  findSwitch: (_files, { places }) => findSetting([configOf(places)], "features.hooks", false),
  trust: {
    isHookTrusted,
    isPluginTrusted: (places) => isPluginTrusted(hooks, places),
    way: "Start codex, and trust them when it says that hooks need review, or with /hooks",
  },
};

/** Codex scrubs the environment of its servers, and names its thread with each call. */
export const codex: Host = {
  name: "codex",
  title: "Codex",
  programs: ["codex"],
  traces: (places) => [folderOf(places)],

  isClient: (clientName) => clientName === "codex-mcp-client",
  conversationOfProcess: () => undefined,
  conversationOfCall: (meta) => conversationId("codex", meta["threadId"]),
  sharesProcess: true,
  wake: queueForThread,
  channel: "none",
  // A program of its code mode yields after 30 s, and what a call inside it returns later may never be
  // seen by the model. Outside of it Codex gives a call up after 300 s.
  maxWaitMs: 25_000,
  // It cuts a result to about 12,000 characters.
  maxResultBytes: 10_000,

  changes({ scope, trust, hooks: isHooked, places, project, server }) {
    const folder = scope === "user" ? folderOf(places) : join(project, ".codex");
    const entry = {
      command: server.command,
      args: server.args,
      // Codex hides its environment from its servers, except for what is listed. With the last, its own
      // command that wakes a thread finds the thread.
      env_vars: ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME"],
      // Its default, written down because a wait depends on it.
      tool_timeout_sec: 300,
    };
    const trusted = { ...entry, default_tools_approval_mode: "approve" };
    const file = serversOf(join(folder, "config.toml"));
    const named = serverEntry(file, { entry, trusted, trust });
    if (!isHooked) return [named];
    const dialect = { comments: false, trailingCommas: false };
    const path = join(folder, "hooks.json");
    return [named, jsonHooks({ path, dialect, table: hooks, server })];
  },
  // It writes to the active profile's file what its user always allows.
  additions: (places) => profilesIn(folderOf(places)).map((path) => addition(serversOf(path))),
  otherPlaces(places, project) {
    const folders = [folderOf(places), join(project, ".codex")];
    const files = ["config.toml", "mcp.json"];
    return ignored(
      "mcpServers",
      files.flatMap((file) => folders.map((folder) => join(folder, file))),
    );
  },
  trustable: true,
  nextStep({ scope, hooks: isHooked }) {
    const restart =
      scope === "user"
        ? "Restart Codex; `codex mcp get peerline` shows the entry."
        : "Restart Codex in this project, which it has to trust; /mcp lists peerline.";
    return isHooked
      ? `${restart} It runs the hooks once you trust them: it asks at its start.`
      : restart;
  },
  environment: { listedIn: "env_vars" },
  hooks,
  async findPlugin(places) {
    const [name] = await pluginsOf(places);
    if (name === undefined) return undefined;
    return { path: configOf(places), removal: ["codex", "plugin", "remove", name] };
  },
  folderTrust: "none",
};

/**
 * Puts a line before an idle thread as its next prompt, by Codex's own command, found on PATH. Codex
 * takes it at once where the thread is open, and within seconds begins a turn.
 */
async function queueForThread(
  thread: string,
  line: string,
  signal: AbortSignal,
): Promise<WakeResult> {
  using run = new AbortScope([signal], queueMs);
  try {
    const child = spawn("codex", ["queue", "--thread", thread, "--message", line], {
      // It reads its settings from there on, and fails in a directory that was removed.
      cwd: workingDirectory() ?? "/",
      stdio: "ignore",
      signal: run.signal,
    });
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0 ? "taken" : "refused";
  } catch {
    return "refused";
  }
}

/** `codex queue` answers in a fraction of a second where the thread is open. */
const queueMs = 10_000;

/**
 * Whether the user has told Codex to run a hook as it is. It keeps that in its configuration, by the
 * hook's place in its file, with a hash of what it then was.
 */
export async function isHookTrusted(found: FoundHook, places: UserPlaces): Promise<boolean> {
  const config = await readValues(configOf(places));
  const hash = hashOf(found);
  return [found.path, realpathSync(found.path)].some((path) => {
    const trusted = trustedHash(config, placeOf(path, found.hook.event, found));
    return trusted !== undefined && (hash === undefined || hash === trusted);
  });
}

/** Whether the user has told Codex to run all hooks of the plugin, at least as they were at some time. */
export async function isPluginTrusted({ hooks }: HookTable, places: UserPlaces): Promise<boolean> {
  const config = await readValues(configOf(places));
  const plugins = await pluginsOf(places);
  return plugins.every((plugin) =>
    hooks.every(({ event }) => {
      const place = placeOf(`${plugin}:hooks/hooks.json`, event, { group: 0, index: 0 });
      return trustedHash(config, place) !== undefined;
    }),
  );
}

/** Those of Peerline's plugins that are in use. */
export async function pluginsOf(places: UserPlaces): Promise<string[]> {
  const plugins = valueAt(await readValues(configOf(places)), "plugins");
  return pluginStatesIn(plugins).flatMap(([name, isOn]) => (isOn ? [name] : []));
}

/** The files of the user's profiles, which count after `config.toml`. */
function profilesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".config.toml"));
    return names.map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function serversOf(path: string): ServerFile {
  // It keeps there which tools its user always allows. Without the server it refuses the whole file.
  return tomlServers(path, "mcp_servers", { additions: ["tools"] });
}

export function configOf(places: UserPlaces): string {
  return join(folderOf(places), "config.toml");
}

export function folderOf({ home, pathIn }: UserPlaces): string {
  return pathIn("CODEX_HOME") ?? join(home, ".codex");
}

function trustedHash(config: unknown, place: string): string | undefined {
  const state = valueAt(config, "hooks", "state", place);
  const hash = valueAt(state, "trusted_hash");
  return typeof hash === "string" && valueAt(state, "enabled") !== false ? hash : undefined;
}

function placeOf(
  file: string,
  event: string,
  { group, index }: Pick<FoundHook, "group" | "index">,
): string {
  return `${file}:${eventName(event)}:${group}:${index}`;
}

/** As Codex makes it of a hook as it is installed; undefined for one that says more. */
function hashOf({ hook, entry, isOwn }: FoundHook): string | undefined {
  if (!isOwn) return undefined;
  const { command, timeout, type } = entry;
  const hashed = {
    event_name: eventName(hook.event),
    hooks: [{ async: false, command, timeout, type }],
  };
  return `sha256:${createHash("sha256").update(JSON.stringify(hashed)).digest("hex")}`;
}

function eventName(event: string): string {
  return event.replaceAll(/\B[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
