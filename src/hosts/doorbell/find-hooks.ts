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
import type { Host, HostHooks, HooksSwitch, Scope } from "../host.js";
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
  /** It is as `install` writes it, except for the path of the script. */
  readonly isOwn: boolean;
  /** Nothing keeps it from being run at some of its events. */
  readonly isRunAlways: boolean;
}

/** The doorbell's hooks in the files of one host; a HostError where one cannot be read. */
export async function findHooks(
  { hooks: table }: Host,
  { places, project }: Places,
): Promise<FoundHook[]> {
  const found: FoundHook[] = [];
  if (table === "none") return found;
  const { user } = table.files(places, project);
  for (const path of hookFiles(table, { places, project })) {
    // In the user's home the project's file may be the user's.
    const scope = path === user ? "user" : "project";
    const events = valueAt(await readValues(path), "hooks");
    for (const hook of table.hooks) {
      const groups = valueAt(events, hook.event);
      for (const [index, group] of (Array.isArray(groups) ? groups : []).entries()) {
        found.push(...hooksIn(group, { host: table.host, hook, path, scope, group: index }));
      }
    }
  }
  return found;
}

/** The setting by which a user's host runs no hooks in this project; undefined where there is none. */
export async function findHooksSwitch(
  { hooks: table }: Host,
  { places, project, hooks }: Places & { readonly hooks: readonly FoundHook[] },
): Promise<HooksSwitch | undefined> {
  if (table === "none") return undefined;
  return table.findSwitch(hookFiles(table, { places, project }), { places, hooks });
}

/** Where a setting has this value, in the first of the files that sets it at all. */
export async function findSetting(
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

interface Places {
  readonly places: UserPlaces;
  readonly project: string;
}

function hookFiles(table: HostHooks, { places, project }: Places): string[] {
  const { user, project: own } = table.files(places, project);
  return [...own.filter((path) => path !== user), user];
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
