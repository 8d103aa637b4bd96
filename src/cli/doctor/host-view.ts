import type { UserPlaces } from "../../endpoint/config.js";
import { allInstallers } from "../../hosts/all-hosts.js";
import { isHookTrusted, isPluginTrusted } from "../../hosts/codex/hook-trust.js";
import { findEntries } from "../../hosts/find-entries.js";
import { findHooks, type FoundHook } from "../../hosts/doorbell/find-hooks.js";
import { findHosts } from "../../hosts/find-hosts.js";
import { findPlugin, type FoundPlugin } from "../../hosts/find-plugin.js";
import { folderTrust, type FolderTrust } from "../../hosts/gemini-cli/folder-trust.js";
import { findHooksSwitch, type HooksSwitch } from "../../hosts/hooks-switch.js";
import { HostError } from "../../hosts/config-files/host-error.js";
import type { Installer } from "../../hosts/installer.js";
import { viewEntry, type EntryView } from "./entry-view.js";

/** A host that is on this machine, or is told of Peerline, and what its files say. */
export interface HostView {
  readonly host: Installer;
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
  readonly folder: { readonly trust: FolderTrust; readonly path: string } | undefined;
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
  for (const host of allInstallers) {
    const view = await lookAtHost(host, options);
    if (present.has(host) || view.entries.length > 0 || view.broken.length > 0) views.push(view);
  }
  return views;
}

async function lookAtHost(host: Installer, options: Options): Promise<HostView> {
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
  const isCodex = host.name === "codex";
  const untrusted = isCodex ? () => untrustedOf(hooks, places) : async () => [];
  const trusted = isCodex ? () => isPluginTrusted(places) : async () => true;
  const folder =
    host.name === "gemini" ? () => folderTrust(project, places) : async () => undefined;
  return {
    host,
    entries: found.entries.map((entry) => viewEntry(entry, places)),
    hooks,
    hooksSwitch: await attempt(() => findHooksSwitch(host, { places, project, hooks }), undefined),
    isPluginTrusted: await attempt(trusted, true),
    untrustedHooks: await attempt<FoundHook[]>(untrusted, []),
    plugin: await attempt(() => findPlugin(host, options), undefined),
    folder: await attempt<HostView["folder"]>(folder, undefined),
    broken: [...broken.values()],
  };
}

async function untrustedOf(hooks: readonly FoundHook[], places: UserPlaces): Promise<FoundHook[]> {
  const untrusted: FoundHook[] = [];
  for (const hook of hooks) if (!(await isHookTrusted(hook, places))) untrusted.push(hook);
  return untrusted;
}
