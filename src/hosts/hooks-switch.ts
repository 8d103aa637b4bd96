import { join } from "node:path";
import type { UserPlaces } from "../endpoint/config.js";
import { hookFiles, type FoundHook } from "./doorbell/find-hooks.js";
import type { Installer } from "./installer.js";
import { readValues, valueAt } from "./config-files/read-values.js";

/** A setting with which a host runs no hooks, or not all of the doorbell's. */
export interface HooksSwitch {
  readonly path: string;
  /** The names to the setting, with dots between them. */
  readonly setting: string;
}

/** The setting by which a user's host runs no hooks in this project; undefined where there is none. */
export async function findHooksSwitch(
  { name }: Installer,
  options: { places: UserPlaces; project: string; hooks: readonly FoundHook[] },
): Promise<HooksSwitch | undefined> {
  const { places, project, hooks } = options;
  const files = hookFiles(name, places, project).map(({ path }) => path);
  switch (name) {
    case "claude":
      return findValue(files, "disableAllHooks", true);
    case "codex":
      return findValue([join(places.codex, "config.toml")], "features.hooks", false);
    case "gemini":
      return (
        (await findValue(files, "hooksConfig.enabled", false)) ?? (await findListed(files, hooks))
      );
    default:
      return undefined;
  }
}

/** Where the setting has this value, in the first of the files that sets it at all. */
async function findValue(
  files: readonly string[],
  setting: string,
  wanted: boolean,
): Promise<HooksSwitch | undefined> {
  for (const path of files) {
    const value = valueAt(await readValues(path), ...setting.split("."));
    if (typeof value === "boolean") return value === wanted ? { path, setting } : undefined;
  }
  return undefined;
}

/** Gemini CLI runs no hook whose name, or else command, is in a list of one of its files. */
async function findListed(
  files: readonly string[],
  hooks: readonly FoundHook[],
): Promise<HooksSwitch | undefined> {
  const setting = "hooksConfig.disabled";
  for (const path of files) {
    const listed = valueAt(await readValues(path), ...setting.split("."));
    if (!Array.isArray(listed)) continue;
    const names = hooks.map(({ entry }) => entry["name"] ?? entry["command"]);
    if (names.some((name) => listed.includes(name))) return { path, setting };
  }
  return undefined;
}
