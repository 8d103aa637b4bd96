import type { UserPlaces } from "../../endpoint/config.js";
import { allHosts } from "../../hosts/all-hosts.js";
import { findEntries, findPlugin } from "../../hosts/find-entries.js";
import { findHooks, findHooksSwitch, type FoundHook } from "../../hosts/doorbell/find-hooks.js";
import { findHosts } from "../../hosts/find-hosts.js";
import { HostError } from "../../hosts/config-files/host-error.js";
import type { FoundPlugin, HookTrust, Host, HooksSwitch, Trust } from "../../hosts/host.js";
import { viewEntry, type EntryView } from "./entry-view.js";

/** A host that is on this machine, or is told of Peerline, and what its files say. */
export interface HostView {
  readonly host: Host;
  readonly entries: readonly EntryView[];
  readonly hooks: readonly FoundHook[];
  /** Hooks that the host does not run before its user allows it. */
  readonly untrustedHooks: readonly FoundHook[];
  /** The setting by which the host does not run them. */
  readonly hooksSwitch: HooksSwitch | undefined;
  /** Its user allows the hooks of the plugin, where that takes a word. */
  readonly isPluginTrusted: boolean;
  /** Undefined where no plugin of Peerline's is in use. */
  readonly plugin: FoundPlugin | undefined;
  /** Whether the host starts servers in this folder; undefined where it does so in each. */
  readonly folder: { readonly trust: Trust; readonly path: string } | undefined;
  /** Of the files that cannot be read. */
  readonly broken: readonly HostError[];
}

interface Options {
  readonly places: UserPlaces;
  readonly project: string;
  readonly program: string;
}

export async function lookAtHosts(options: Options): Promise<HostView[]> {
  const present = new Set(findHosts(options.places));
  const views: HostView[] = [];
  for (const host of allHosts) {
    const view = await lookAtHost(host, options);
    if (present.has(host) || view.entries.length > 0 || view.broken.length > 0) views.push(view);
  }
  return views;
}

async function lookAtHost(host: Host, options: Options): Promise<HostView> {
  const { places, project, program } = options;
  const broken = new Map<string, HostError>();
  const attempt = async <T>(read: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      broken.set(error.message, error);
      return otherwise;
    }
  };
  const server = { command: process.execPath, args: [program, "mcp"] };
  const found = await findEntries(host, { places, project, server });
  for (const error of found.broken) broken.set(error.message, error);
  const hooks = await attempt(() => findHooks(host, options), []);
  const { folderTrust } = host;
  const trust = host.hooks === "none" ? "none" : host.hooks.trust;
  return {
    host,
    entries: found.entries.map((entry) => viewEntry(entry, places)),
    hooks,
    hooksSwitch: await attempt(() => findHooksSwitch(host, { places, project, hooks }), undefined),
    isPluginTrusted: await attempt(
      async () => trust === "none" || (await trust.isPluginTrusted(places)),
      true,
    ),
    untrustedHooks: await attempt<FoundHook[]>(() => untrustedOf(hooks, trust, places), []),
    plugin: await attempt(() => findPlugin(host, options), undefined),
    folder: await attempt<HostView["folder"]>(
      async () => (folderTrust === "none" ? undefined : folderTrust.look(project, places)),
      undefined,
    ),
    broken: [...broken.values()],
  };
}

async function untrustedOf(
  hooks: readonly FoundHook[],
  trust: HookTrust | "none",
  places: UserPlaces,
): Promise<FoundHook[]> {
  const untrusted: FoundHook[] = [];
  if (trust === "none") return untrusted;
  for (const hook of hooks) if (!(await trust.isHookTrusted(hook, places))) untrusted.push(hook);
  return untrusted;
}
