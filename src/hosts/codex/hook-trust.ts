import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import { pluginStatesIn, readValues, valueAt } from "../config-files/read-values.js";
import type { FoundHook } from "../doorbell/find-hooks.js";
import type { HookTable } from "../doorbell/hook.js";

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
