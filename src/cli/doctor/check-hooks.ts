import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { scriptBeside, type HookTable } from "../../hosts/doorbell/hook.js";
import { count } from "../receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import type { HostView } from "./host-view.js";
import { commandLine } from "./quoted.js";

/** What tells an agent of mail between its own calls: the host's hooks, installed or of the plugin. */
export function checkHooks(evidence: Evidence): Finding[] {
  return evidence.hosts.flatMap((view) => {
    const table = view.host.hookTable;
    if (table === undefined) return [];
    const troubles = [
      ...missingScript(view, evidence),
      ...switchedOff(view),
      ...untrusted(view),
      ...partial(view, table, evidence),
    ];
    return troubles.length > 0 ? troubles : wellOrAbsent(view, evidence);
  });
}

function missingScript(view: HostView, { self, program }: Evidence): Finding[] {
  const gone = view.hooks.find(({ script }) => isAbsolute(script) && !existsSync(script));
  if (gone === undefined) return [];
  const subject = view.host.title;
  const seen = `the hooks in ${gone.path} run ${gone.script}, which is not there`;
  const own = scriptBeside(program);
  const mends = [
    ...(existsSync(own) ? [] : [restore(program)]),
    ...(gone.script === own ? [] : [reinstallHooks(view, self)]),
  ];
  const mend = mends.join("; then ");
  return [{ id: "hooks-program-missing", severity: "problem", subject, seen, mend }];
}

function switchedOff({ host, hooks, hooksSwitch, plugin }: HostView): Finding[] {
  if (hooksSwitch === undefined || (hooks.length === 0 && plugin === undefined)) return [];
  const { path, setting } = hooksSwitch;
  const seen = `hooks that tell of mail are switched off by ${setting} in ${path}`;
  const mend = `Remove what switches them off from ${path}: ${setting}`;
  return [{ id: "hooks-disabled", severity: "warning", subject: host.title, seen, mend }];
}

function untrusted({ host, hooks, untrustedHooks, plugin, isPluginTrusted }: HostView): Finding[] {
  const subject = host.title;
  const mend = "Start codex, and trust them when it says that hooks need review, or with /hooks";
  const findings: Finding[] = [];
  if (untrustedHooks[0] !== undefined) {
    const seen = `${count(untrustedHooks.length, "hook")} of ${hooks.length} in ${untrustedHooks[0].path} are not trusted as they are, and Codex does not run them`;
    findings.push({ id: "hooks-untrusted", severity: "warning", subject, seen, mend });
  }
  if (plugin !== undefined && !isPluginTrusted) {
    const seen = "hooks of its plugin are not trusted, and Codex does not run them";
    findings.push({ id: "hooks-untrusted", severity: "warning", subject, seen, mend });
  }
  return findings;
}

/** Whether some are there, and not all that `install` writes. The plugin has all. */
function partial(view: HostView, table: HookTable, { self }: Evidence): Finding[] {
  const { host, hooks, plugin } = view;
  const [first] = hooks;
  if (first === undefined || plugin !== undefined) return [];
  const run = hooks.filter(({ isRunAlways }) => isRunAlways).map(({ hook }) => hook);
  const lacking = table.hooks.filter((hook) => !run.includes(hook));
  if (lacking.length === 0) return [];
  const events = [...new Set(lacking.map(({ event }) => event))].join(", ");
  const seen = `${lacking.length} of the ${table.hooks.length} hooks that tell of mail are not in ${first.path}, or changed there: ${events}`;
  const mend = reinstallHooks(view, self);
  return [{ id: "hooks-partial", severity: "warning", subject: host.title, seen, mend }];
}

function wellOrAbsent({ host, hooks, plugin, entries }: HostView, { self }: Evidence): Finding[] {
  const subject = host.title;
  if (hooks[0] !== undefined) {
    const seen = `its hooks tell of mail, by ${hooks[0].path}`;
    return [{ id: "hooks", severity: "ok", subject, seen }];
  }
  if (plugin !== undefined || entries.every(({ scope }) => scope === "ignored")) return [];
  const seen = "no hook tells its agents of mail: they hear of it with their next call";
  const mend = `${self} install ${host.name}`;
  return [{ id: "hooks-absent", severity: "note", subject, seen, mend }];
}

/** The command that writes hooks anew as they should be. */
function reinstallHooks({ host, hooks }: HostView, self: string): string {
  const isProjects = hooks.every(({ scope }) => scope === "project");
  const options = [
    ...(isProjects ? [" --scope project"] : []),
    ...(hooks.every(({ isOwn }) => isOwn) ? [] : [" --force"]),
  ];
  return `${self} install ${host.name}${options.join("")}`;
}

/** The command that brings back what came with this program: by building it, or as a package. */
function restore(program: string): string {
  const folder = dirname(dirname(program));
  return existsSync(join(folder, "src"))
    ? commandLine("npm", "--prefix", folder, "run", "build")
    : "npm install --global peerline";
}
