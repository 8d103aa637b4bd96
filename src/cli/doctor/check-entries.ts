import { existsSync } from "node:fs";
import { basename, isAbsolute } from "node:path";
import { readConfig, type Config, type UserPlaces } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { formatEndpoint } from "../../endpoint/endpoint.js";
import { findProgram, isProgram } from "../../endpoint/find-program.js";
import { isFleetingPath, isObject } from "../../hosts/config-files/server-entry.js";
import type { FoundEntry } from "../../hosts/find-hosts.js";
import { advise, reinstall } from "./advice.js";
import type { HostView } from "./check-hosts.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { socketOf } from "./running-programs.js";

/** An entry, and what can be said of its command without starting it. */
export interface EntryView extends FoundEntry {
  /** Undefined where it names none, as for a server that is reached by a URL. */
  readonly command: string | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The program or script that it names and that is not there. */
  readonly missing: string | undefined;
  /** The path or runner that it names, if a later start may find it gone or changed. */
  readonly fleeting: string | undefined;
  /** The relative path that it names: in each directory it means another file. */
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
  // A relative path whose base is not known.
  return command.includes("/") || findProgram(command, programs) !== undefined;
}

function isFleeting(path: string): boolean {
  return runners.has(basename(path)) || isFleetingPath(path);
}

/** They may fetch another version at each start, and take their time for it. */
const runners = new Set(["npx", "bunx", "pnpx", "pnpm", "yarn", "npm"]);

function stringsOf(env: unknown): Record<string, string> {
  const entries = Object.entries(isObject(env) ? env : {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** The faults of an entry that can be seen without starting its command. */
export function checkEntries(evidence: Evidence): Finding[] {
  return evidence.hosts.flatMap((view) =>
    view.entries
      .filter(({ scope }) => scope !== "ignored")
      .flatMap((entry) => [
        ...disabled(view, entry),
        ...paths(evidence, view, entry),
        ...hiddenVariables(evidence, view, entry),
        ...otherBroker(evidence, view, entry),
      ]),
  );
}

function disabled({ host }: HostView, { path, settings }: EntryView): Finding[] {
  const key = ["enabled", "disabled"].find((key) => settings[key] === (key === "disabled"));
  if (key === undefined) return [];
  const seen = `the entry in ${path} is switched off: ${key} = ${String(settings[key])}`;
  const fix = `Remove ${key} from it`;
  return [{ id: "entry-disabled", severity: "problem", subject: host.title, seen, fix }];
}

function paths(evidence: Evidence, view: HostView, entry: EntryView): Finding[] {
  const { missing, fleeting, relative, path } = entry;
  const subject = view.host.title;
  const advice = advise(reinstall(evidence, view, entry));
  if (missing !== undefined) {
    const seen = `the entry in ${path} starts ${missing}, which is not there`;
    return [{ id: "entry-program-missing", severity: "problem", subject, seen, ...advice }];
  }
  if (fleeting !== undefined) {
    const seen = `the entry in ${path} starts ${fleeting}: a package runner's copy is fetched anew, or deleted`;
    return [{ id: "entry-fleeting", severity: "problem", subject, seen, ...advice }];
  }
  if (relative !== undefined) {
    const seen = `the entry in ${path} starts ${relative}, which is another file in each directory`;
    return [{ id: "entry-relative", severity: "warning", subject, seen, ...advice }];
  }
  return [];
}

/** Some hosts show their servers only those variables that are listed. */
function hiddenVariables(evidence: Evidence, view: HostView, entry: EntryView): Finding[] {
  const { environment, title } = view.host;
  if (environment === "whole") return [];
  const { [environment.listedIn]: given } = entry.settings;
  const listed: unknown[] = Array.isArray(given) ? given : [];
  const shown = JSON.stringify(listed);
  const hidden = variables.filter((name) => !(name in entry.env) && !shown.includes(`"${name}"`));
  if (hidden.length === 0) return [];
  const seen = `${title} hides ${hidden.join(", ")} from the server that ${entry.path} names`;
  const line = `${environment.listedIn} = ${JSON.stringify([...listed, ...hidden])}`;
  const advice = advise(
    reinstall(evidence, view, entry),
    `or, to keep what was added to the entry, write ${line} in it`,
  );
  return [{ id: "entry-env-vars", severity: "warning", subject: title, seen, ...advice }];
}

const variables = ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER"];

/** An entry may set other variables than are set here: its agents then talk to another broker. */
function otherBroker({ config }: Evidence, { host }: HostView, entry: EntryView): Finding[] {
  const set = variables.filter((name) => entry.env[name] !== undefined);
  if (set.length === 0 || set.some((name) => isExpanded(entry.env[name] ?? ""))) return [];
  const fix = `Set ${set.join(", ")} there as it is everywhere else, or remove it`;
  const finding = { id: "entry-home", severity: "problem", subject: host.title } as const;
  try {
    const there = readConfig({ ...settingsOf(config), ...entry.env }).places.map(socketOf);
    const here = socketOf(config);
    if (there.includes(here)) return [];
    const seen = `the entry in ${entry.path} makes its agents use ${there.join(",")}, and here it is ${here}`;
    return [{ ...finding, seen, fix }];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const seen = `the entry in ${entry.path} sets what cannot be used: ${error.message}`;
    return [{ ...finding, seen, fix }];
  }
}

/** The variables that say what is set here: a host may pass them on. */
function settingsOf(config: Config) {
  const named = (config.named ?? []).map(formatEndpoint).join(",");
  return { PEERLINE_HOME: config.home, PEERLINE_BROKER: named };
}
