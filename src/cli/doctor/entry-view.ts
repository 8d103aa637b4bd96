import { basename, isAbsolute } from "node:path";
import { existsSync } from "node:fs";
import type { UserPlaces } from "../../endpoint/config.js";
import type { FoundEntry } from "../../hosts/find-entries.js";
import { findProgram, isProgram } from "../../endpoint/find-program.js";
import { isFleetingPath } from "../../hosts/config-files/server-command.js";

/** An entry, and what can be said of its command without starting it. */
export interface EntryView extends FoundEntry {
  /** Undefined where it names none, as for a server that is reached by a URL. */
  readonly command: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The program or script that it names and that is not there. */
  readonly missing: string | undefined;
  /** The path or runner that it names, and that a later start may not find as it is now. */
  readonly fleeting: string | undefined;
  /** The path that means another file in each directory. */
  readonly relative: string | undefined;
}

export function viewEntry(entry: FoundEntry, places: UserPlaces): EntryView {
  const settings = isObject(entry.server) ? entry.server : {};
  const { command: named, args: given, env } = settings;
  const command = typeof named === "string" && named !== "" ? named : undefined;
  const args = Array.isArray(given) ? given.filter((arg) => typeof arg === "string") : [];
  const script = args.find((arg) => /\.[cm]?js$/.test(arg));
  const paths = [command, script].filter((path) => path !== undefined);
  return {
    ...entry,
    settings,
    command,
    args,
    env: stringsOf(env),
    missing: paths.some(isExpanded) ? undefined : missingOf(command, script, places),
    fleeting: paths.find(isFleeting),
    relative: paths.find((path) => !isAbsolute(path) && /[/\\]/.test(path) && !isExpanded(path)),
  };
}

/** Hosts replace variables in what they read; each does it in its own way. */
export function isExpanded(text: string): boolean {
  return text.includes("$");
}

function missingOf(
  command: string | undefined,
  script: string | undefined,
  { programs }: UserPlaces,
): string | undefined {
  if (command !== undefined && !isThere(command, programs)) return command;
  return script !== undefined && isAbsolute(script) && !existsSync(script) ? script : undefined;
}

function isThere(command: string, programs: readonly string[]): boolean {
  if (isAbsolute(command)) return isProgram(command);
  // A path from somewhere: it is not known from where.
  return command.includes("/") || findProgram(command, programs) !== undefined;
}

function isFleeting(path: string): boolean {
  return runners.has(basename(path)) || isFleetingPath(path);
}

/** They may fetch another version at each start, and take their time for it. */
const runners = new Set(["npx", "bunx", "pnpx", "pnpm", "yarn", "npm"]);

function stringsOf(env: unknown): Record<string, string> {
  const entries = Object.entries(isObject(env) ? env : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => isText(entry[1])));
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
