import { join } from "node:path";
import type { UserPlaces } from "../../endpoint/config.js";
import {
  entriesOf,
  hasConditions,
  isAsWritten,
  isRunAlways,
  runsOnly,
  scriptOf,
  type Hook,
} from "./hook.js";
import type { Installer, Scope } from "../installer.js";
import { readValues, valueAt } from "../config-files/read-values.js";

/** One of a host's hooks that runs the doorbell's script. */
export interface FoundHook {
  readonly path: string;
  readonly scope: Scope;
  /** Which of its host's it is. */
  readonly hook: Hook;
  /** Its place among the hooks of the event: in which group, and where in that. */
  readonly group: number;
  readonly index: number;
  /** As it stands there. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly script: string;
  /** It runs that script and nothing beside it. */
  readonly isPlain: boolean;
  /** It is as `install` writes it, but for the path of the script. */
  readonly isOwn: boolean;
  /** Nothing keeps it from being run at some of its events. */
  readonly isRunAlways: boolean;
}

/** The doorbell's hooks in the files of one host; a HostError where one cannot be read. */
export async function findHooks(
  { name, hookTable }: Installer,
  { places, project }: { places: UserPlaces; project: string },
): Promise<FoundHook[]> {
  const found: FoundHook[] = [];
  if (hookTable === undefined) return found;
  for (const { path, scope } of hookFiles(name, places, project)) {
    const events = valueAt(await readValues(path), "hooks");
    for (const hook of hookTable.hooks) {
      const groups = valueAt(events, hook.event);
      for (const [index, group] of (Array.isArray(groups) ? groups : []).entries()) {
        found.push(...hooksIn(group, { host: hookTable.host, hook, path, scope, group: index }));
      }
    }
  }
  return found;
}

interface HookFile {
  readonly path: string;
  readonly scope: Scope;
}

/** The files from which a host reads hooks and what it does with them; of those the first counts most. */
export function hookFiles(host: string, places: UserPlaces, project: string): HookFile[] {
  const { home, claude = join(home, ".claude"), codex, gemini } = places;
  const files: Readonly<Record<string, { user: string; project: readonly string[] }>> = {
    claude: {
      user: join(claude, "settings.json"),
      project: inFolder(join(project, ".claude"), "settings.local.json", "settings.json"),
    },
    codex: {
      user: join(codex, "hooks.json"),
      project: inFolder(join(project, ".codex"), "hooks.json"),
    },
    gemini: {
      user: join(gemini, ".gemini", "settings.json"),
      project: inFolder(join(project, ".gemini"), "settings.json"),
    },
  };
  const { user, project: own = [] } = files[host] ?? {};
  if (user === undefined) return [];
  return [
    // In the user's home the project's file may be the user's.
    ...own.filter((path) => path !== user).map((path) => ({ path, scope: "project" }) as const),
    { path: user, scope: "user" },
  ];
}

function inFolder(folder: string, ...names: readonly string[]): string[] {
  return names.map((name) => join(folder, name));
}

function hooksIn(
  group: unknown,
  place: Pick<FoundHook, "hook" | "path" | "scope" | "group"> & { readonly host: string },
): FoundHook[] {
  const { host, ...rest } = place;
  return entriesOf(group).flatMap((entry, index) => {
    const script = scriptOf(entry, host, place.hook);
    if (script === undefined) return [];
    return {
      ...rest,
      index,
      entry: entry as Record<string, unknown>,
      script,
      isPlain: runsOnly(entry, script, host, place.hook),
      isOwn: isAsWritten(entry, place.hook) && !hasConditions(group),
      isRunAlways: isRunAlways(group, entry, place.hook),
    };
  });
}
