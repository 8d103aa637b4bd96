import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";
import type { Installer } from "./installer.js";
import { readValues, valueAt } from "./config-files/read-values.js";
import { serverName } from "./config-files/server-command.js";

/** Peerline's plugin or extension, in use in a host: it starts a server of its own, and has hooks. */
export interface FoundPlugin {
  /** The file or folder that says so. */
  readonly path: string;
  /** The words of the command with which the host takes it out. */
  readonly removal: readonly string[];
}

/** Undefined where no plugin of Peerline's is in use; a HostError where that cannot be read. */
export async function findPlugin(
  { name }: Installer,
  { places, project }: { places: UserPlaces; project: string },
): Promise<FoundPlugin | undefined> {
  switch (name) {
    case "claude":
      return findClaudePlugin(places, project);
    case "codex":
      return findCodexPlugin(places);
    case "gemini":
      return findGeminiExtension(places, project);
    default:
      return undefined;
  }
}

/** Those of Peerline's plugins, as `name@marketplace`, that are in use. */
export function pluginsIn(plugins: unknown): string[] {
  return statesIn(plugins).flatMap(([name, isOn]) => (isOn ? [name] : []));
}

/** Of the settings that name a plugin, those nearest to the project count. */
async function findClaudePlugin(
  { home, claude = join(home, ".claude") }: UserPlaces,
  project: string,
): Promise<FoundPlugin | undefined> {
  const files = [
    { path: join(project, ".claude", "settings.local.json"), scope: ["--scope", "local"] },
    { path: join(project, ".claude", "settings.json"), scope: ["--scope", "project"] },
    { path: join(claude, "settings.local.json"), scope: [] },
    { path: join(claude, "settings.json"), scope: [] },
  ];
  const known = new Set<string>();
  for (const { path, scope } of files) {
    for (const [name, isOn] of statesIn(valueAt(await readValues(path), "enabledPlugins"))) {
      if (known.has(name)) continue;
      if (isOn) return { path, removal: ["claude", "plugin", "uninstall", name, ...scope] };
      known.add(name);
    }
  }
  return undefined;
}

async function findCodexPlugin({ codex }: UserPlaces): Promise<FoundPlugin | undefined> {
  const path = join(codex, "config.toml");
  const [name] = pluginsIn(valueAt(await readValues(path), "plugins"));
  return name === undefined ? undefined : { path, removal: ["codex", "plugin", "remove", name] };
}

async function findGeminiExtension(
  { gemini }: UserPlaces,
  project: string,
): Promise<FoundPlugin | undefined> {
  const folder = join(gemini, ".gemini", "extensions");
  const path = join(folder, serverName);
  if (!existsSync(path)) return undefined;
  const rules = valueAt(
    await readValues(join(folder, "extension-enablement.json")),
    serverName,
    "overrides",
  );
  // It is in use but for a rule that says otherwise; of those that fit the folder, the last counts.
  const rule = (Array.isArray(rules) ? rules : []).findLast(
    (one): one is string => typeof one === "string" && isAbout(one, project),
  );
  if (rule?.startsWith("!") === true) return undefined;
  return { path, removal: ["gemini", "extensions", "uninstall", serverName] };
}

/** Rules are paths, with `*` at the end where they are for the folders in it, too. */
function isAbout(rule: string, folder: string): boolean {
  const path = rule.replace(/^!/, "");
  const whole = folder.endsWith(sep) ? folder : folder + sep;
  if (path.endsWith("*")) return whole.startsWith(path.slice(0, -1));
  return whole === (path.endsWith(sep) ? path : path + sep);
}

/** What is said of each of Peerline's plugins. */
function statesIn(plugins: unknown): [name: string, isOn: boolean][] {
  if (typeof plugins !== "object" || plugins === null) return [];
  return Object.entries(plugins).flatMap(([name, state]: [string, unknown]) => {
    if (!name.startsWith(`${serverName}@`)) return [];
    return [[name, state === true || valueAt(state, "enabled") === true] as [string, boolean]];
  });
}
