import type { UserPlaces } from "../../endpoint/config.js";
import { findForbidden, findProgram } from "../../endpoint/find-program.js";
import { allHosts } from "../../hosts/all-hosts.js";
import { HostError } from "../../hosts/config-files/host-error.js";
import { findHooks, findHooksSwitch, type FoundHook } from "../../hosts/doorbell/find-hooks.js";
import { findEntries, findHosts, findPlugin, type FoundEntry } from "../../hosts/find-hosts.js";
import type { FoundPlugin, HooksSwitch, HookTrust, Host, Trust } from "../../hosts/host.js";
import { advise, commandLine, installCommands, installGlobally, removal } from "./advice.js";
import { viewEntry, type EntryView } from "./check-entries.js";
import { makeExecutable } from "./check-program.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { isPlainStart } from "./plain-start.js";

/** A host that is on this machine, or is told of Peerline, and what its files say. */
export interface HostView {
  readonly host: Host;
  readonly entries: readonly EntryView[];
  /** What the host added to entries that are gone. */
  readonly leftovers: readonly FoundEntry[];
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
    const isTold = [view.entries, view.leftovers, view.broken].some(({ length }) => length > 0);
    if (present.has(host) || isTold) views.push(view);
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
    entries: found.entries
      .filter(({ kind }) => kind !== "leftover")
      .map((entry) => viewEntry(entry, places)),
    leftovers: leftoversIn(found.entries),
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

/** What stands beside an entry of the user's may be in other files of the user's. */
function leftoversIn(entries: readonly FoundEntry[]): FoundEntry[] {
  const isTold = entries.some(({ scope, kind }) => scope === "user" && kind !== "leftover");
  return entries.filter(({ scope, kind }) => kind === "leftover" && (scope !== "user" || !isTold));
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

/** Which hosts are told of Peerline, and where. */
export function checkHosts(evidence: Evidence): Finding[] {
  const { hosts, self } = evidence;
  if (hosts.length > 0) return hosts.flatMap((view) => judge(view, evidence));
  const seen = "no coding agent was found on this machine";
  const fix = `Install one, then ${self} install --all`;
  return [{ id: "host-none", severity: "note", subject: "hosts", seen, fix }];
}

function judge(view: HostView, evidence: Evidence): Finding[] {
  const { host, entries, plugin } = view;
  const subject = host.title;
  const used = entries.filter(({ scope }) => scope !== "ignored");
  const known = used.filter((entry) => entry.scope !== "project" || isPlainStart(entry, evidence));
  const findings = [
    ...entries
      .filter(({ scope }) => scope === "ignored")
      .map((entry) => ignored(view, entry, evidence)),
    ...used
      .filter((entry) => !known.includes(entry))
      .map((entry) => strange(view, entry, evidence)),
    ...twice(view, used, evidence),
    ...view.leftovers.map((leftover) => left(view, leftover, evidence)),
  ];
  const places = [
    ...known.map(placeOf),
    ...(plugin === undefined ? [] : [`its plugin (${plugin.path})`]),
  ];
  if (places.length === 0) {
    const seen = "it is not told of Peerline";
    const advice = advise(installCommands(evidence, host.name));
    return [{ id: "host-unconfigured", severity: "note", subject, seen, ...advice }, ...findings];
  }
  const seen = `it is told by ${places.join(" and ")}`;
  return [{ id: "host-configured", severity: "ok", subject, seen }, ...findings];
}

function ignored({ host }: HostView, { path }: EntryView, evidence: Evidence): Finding {
  return {
    id: "entry-ignored",
    severity: "problem",
    subject: host.title,
    seen: `an entry for peerline is in ${path}, where the host does not look for servers`,
    ...advise(installCommands(evidence, host.name), "and remove the entry from that file"),
  };
}

/** Who made a checkout may have put anything under Peerline's name. The host starts it once its user agrees. */
function strange(view: HostView, entry: EntryView, evidence: Evidence): Finding {
  const { path, command } = entry;
  const what = command === undefined ? "something that is no command" : commandLine(command);
  return {
    id: "entry-strange",
    severity: "warning",
    subject: view.host.title,
    seen: `the entry peerline in ${path} comes with the project and starts ${what}, which is not this program: look at it before you allow it`,
    ...advise(
      installCommands(evidence, view.host.name, { scope: "project", force: true }),
      "that puts this program in its place, and keeps a copy",
    ),
  };
}

function left({ host }: HostView, { path, scope }: FoundEntry, { self }: Evidence): Finding {
  const option = scope === "project" ? " --scope project" : "";
  return {
    id: "entry-leftover",
    severity: "problem",
    subject: host.title,
    seen: `${path} holds which tools of peerline it allows, but no entry for peerline: ${host.title} may refuse the whole file`,
    ...advise([`${self} uninstall ${host.name}${option}`]),
  };
}

function twice(view: HostView, used: readonly EntryView[], evidence: Evidence): Finding[] {
  const { host, plugin, hooks } = view;
  const subject = host.title;
  const [first, second] = used;
  if (plugin !== undefined && (first !== undefined || hooks[0] !== undefined)) {
    const seen =
      first === undefined
        ? `its plugin and the hooks in ${hooks[0]?.path} each tell of mail`
        : "its plugin and an entry each start a server: every agent is two peers";
    const commands = removal(evidence, view);
    const remove = commandLine(...plugin.removal);
    const advice =
      commands.length === 0
        ? { fix: `Remove the entry from ${first?.path}, or ${remove}` }
        : advise(commands, `or, to keep that, ${remove}`);
    return [{ id: "entry-twice", severity: "warning", subject, seen, ...advice }];
  }
  if (first === undefined || second === undefined) return [];
  const isSame = first.command === second.command && first.args.join() === second.args.join();
  const seen = `there are ${used.length} entries, and in this project ${used.at(-1)?.path} counts`;
  const fix = `Keep one of them: ${used.map(({ path }) => path).join(", ")}`;
  return [{ id: "entry-twice", severity: isSame ? "note" : "warning", subject, seen, fix }];
}

function placeOf({ path, scope }: EntryView): string {
  if (scope === "user") return path;
  return `${path} (${scope === "local" ? "for you in this project" : "for this project"})`;
}

/** Files that their host cannot read: it may do without all that is in them. */
export function checkConfigFiles({ hosts }: Evidence): Finding[] {
  return hosts.flatMap(({ host, broken }) =>
    broken.map((error) => ({
      id: "config-broken",
      severity: "problem",
      subject: host.title,
      seen: error.message,
      fix: "Fix the file at that place, or remove it",
    })),
  );
}

/** The plugin starts `peerline` by that name, wherever it is installed. */
export function checkPlugins({ hosts, places, program }: Evidence): Finding[] {
  return hosts.flatMap(({ host, plugin }): Finding[] => {
    if (plugin === undefined) return [];
    const subject = host.title;
    if (findProgram("peerline", places.programs) !== undefined) {
      return [
        { id: "plugin", severity: "ok", subject, seen: `its plugin is in use (${plugin.path})` },
      ];
    }
    const forbidden = findForbidden("peerline", places.programs);
    const what =
      forbidden === undefined ? "is not on PATH" : `may not be executed where it is (${forbidden})`;
    const seen = `its plugin is in use (${plugin.path}) and starts \`peerline\`, which ${what}`;
    const command = forbidden === undefined ? installGlobally(program) : makeExecutable(forbidden);
    return [
      { id: "plugin-program-missing", severity: "problem", subject, seen, ...advise([command]) },
    ];
  });
}

/** Some hosts start no server in a folder that their user does not trust. */
export function checkFolderTrust({ hosts, project }: Evidence): Finding[] {
  return hosts.flatMap(({ host, entries, plugin, folder }): Finding[] => {
    const isTold = plugin !== undefined || entries.some(({ scope }) => scope !== "ignored");
    const { folderTrust, programs } = host;
    if (!isTold || folderTrust === "none" || folder === undefined) return [];
    if (folder.trust === "trusted") return [];
    const isRefused = folder.trust === "refused";
    const word = isRefused ? "is refused trust" : "has no trust yet";
    return [
      {
        id: "folder-untrusted",
        severity: isRefused ? "warning" : "note",
        subject: host.title,
        seen: `${project} ${word} in ${folder.path}: no server is started there`,
        fix: `${commandLine("cd", project)} && ${programs[0]}, then ${folderTrust.command}`,
      },
    ];
  });
}
