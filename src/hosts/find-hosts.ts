import { existsSync } from "node:fs";
import type { UserPlaces } from "../endpoint/config.js";
import { findProgram } from "../endpoint/find-program.js";
import { allHosts } from "./all-hosts.js";
import type { ConfigEntry } from "./config-files/config-change.js";
import { readConfigFile } from "./config-files/config-file.js";
import { HostError } from "./config-files/host-error.js";
import { readValues, valueAt } from "./config-files/read-values.js";
import { entryKind, serverName, type ServerCommand } from "./config-files/server-entry.js";
import { silentClient, type FoundPlugin, type Host, type HostClient, type Scope } from "./host.js";

/** The hosts on this machine: installed, or used by this user before. */
export function findHosts(places: UserPlaces): Host[] {
  return allHosts.filter(
    (host) =>
      host.programs.some((program) => findProgram(program, places.programs) !== undefined) ||
      host.traces(places).some((path) => existsSync(path)),
  );
}

/** The host of this name, or of a program of this name. */
export function hostNamed(name: string): Host | undefined {
  return allHosts.find((host) => host.name === name || host.programs.includes(name));
}

/**
 * The host that a client says it is. Only `clientInfo` counts: the environment is inherited, so that
 * one host started from another's shell carries the other's variables.
 */
export function recogniseHost(clientName: string): HostClient {
  const unknown = {
    ...silentClient,
    name: clientName,
    isClient: (name: string) => name === clientName,
  };
  return allHosts.find((host) => host.isClient(clientName)) ?? unknown;
}

/** An entry under Peerline's name in a file of a host. */
export interface FoundEntry {
  readonly path: string;
  /** Whom it is for; `ignored` where its host does not look for servers. */
  readonly scope: Scope | "local" | "ignored";
  /** Of a `local` one: the words of the command with which its host takes it out. */
  readonly removal?: readonly string[];
  /** What it is beside what `install` writes. */
  readonly kind: ConfigEntry["kind"];
  /** As it stands in the file; undefined of a leftover. */
  readonly server: unknown;
}

export interface FoundEntries {
  readonly entries: readonly FoundEntry[];
  /** Of the files that the host could not read, each once. */
  readonly broken: readonly HostError[];
}

interface Options {
  readonly places: UserPlaces;
  readonly project: string;
  readonly server: ServerCommand;
}

/** Every entry of one host for this user and this project, wherever people write them. Nothing is changed. */
export async function findEntries(host: Host, options: Options): Promise<FoundEntries> {
  const entries: FoundEntry[] = [];
  const broken = new Map<string, HostError>();
  const places = [
    ...installPlaces(host, options),
    ...additionsOf(host, options),
    ...otherPlacesOf(host, options),
  ];
  for (const { path, read } of places) {
    try {
      const entry = await read();
      // In the user's home the project's file may be the user's.
      const isSeen = entry.scope === "project" && entries.some((one) => one.path === path);
      const isThere = entry.server !== undefined || entry.kind === "leftover";
      if (isThere && !isSeen) entries.push({ ...entry, path });
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (!broken.has(path)) broken.set(path, error);
    }
  }
  return { entries, broken: [...broken.values()] };
}

interface Place {
  readonly path: string;
  /** The entry there; its server is undefined where there is none. */
  readonly read: () => Promise<Omit<FoundEntry, "path">>;
}

/** Where `install` writes. */
function installPlaces(host: Host, options: Options): Place[] {
  return (["user", "project"] as const).flatMap((scope) =>
    host.changes({ ...options, scope, trust: false, hooks: false }).map((change) => ({
      path: change.path,
      read: async () => {
        const { kind, server } = change.entry((await readConfigFile(change.path)).text);
        return { scope, kind, server };
      },
    })),
  );
}

/** Peerline's plugin, where it is in use in a host; a HostError where that cannot be read. */
export async function findPlugin(
  { findPlugin: find }: Host,
  { places, project }: Pick<Options, "places" | "project">,
): Promise<FoundPlugin | undefined> {
  return find === "none" ? undefined : find(places, project);
}

function additionsOf(host: Host, { places }: Options): Place[] {
  return host.additions(places).map((change) => ({
    path: change.path,
    read: async () => {
      const { kind } = change.entry((await readConfigFile(change.path)).text);
      return { scope: "user", kind, server: undefined };
    },
  }));
}

function otherPlacesOf(host: Host, { places, project }: Options): Place[] {
  return host.otherPlaces(places, project).map(({ path, within, use }) => ({
    path,
    read: async () => {
      const server = valueAt(await readValues(path), ...within, serverName);
      const entry = { kind: entryKind(server, []), server };
      return use === "ignored" ? { ...entry, scope: use } : { ...entry, scope: "local", ...use };
    },
  }));
}
