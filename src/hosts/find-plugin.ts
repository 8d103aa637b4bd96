import { existsSync } from "node:fs";
import { join } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";
import type { Installer } from "./installer.js";
import { readValues, valueAt } from "./read-values.js";
import { serverName } from "./server-command.js";

/** The file that says that Peerline's plugin is in use in a host; undefined where none does. */
export async function findPlugin(
  { name }: Installer,
  { places, project }: { places: UserPlaces; project: string },
): Promise<string | undefined> {
  const { home, claude = join(home, ".claude"), codex, gemini } = places;
  if (name === "claude") {
    for (const folder of [claude, join(project, ".claude")]) {
      for (const file of ["settings.json", "settings.local.json"]) {
        const path = join(folder, file);
        if (hasPlugin(valueAt(await readValues(path), "enabledPlugins"))) return path;
      }
    }
  }
  if (name === "codex") {
    const path = join(codex, "config.toml");
    if (hasPlugin(valueAt(await readValues(path), "plugins"))) return path;
  }
  if (name === "gemini") {
    const path = join(gemini, ".gemini", "extensions", serverName);
    if (existsSync(path)) return path;
  }
  return undefined;
}

function hasPlugin(plugins: unknown): boolean {
  return pluginsIn(plugins).length > 0;
}

/** Those of Peerline's plugins, as `name@marketplace`, that are in use. */
export function pluginsIn(plugins: unknown): string[] {
  if (typeof plugins !== "object" || plugins === null) return [];
  return Object.entries(plugins).flatMap(([name, state]: [string, unknown]) => {
    const isOn = state === true || valueAt(state, "enabled") === true;
    return isOn && name.startsWith(`${serverName}@`) ? [name] : [];
  });
}
