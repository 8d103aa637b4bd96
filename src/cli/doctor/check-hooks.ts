import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { scriptBeside } from "../../hosts/doorbell/hook.js";
import type { HostHooks } from "../../hosts/host.js";
import { count } from "../print/words.js";
import { advise, commandLine, installCommands } from "./advice.js";
import type { HostView } from "./check-hosts.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { isPlainHook } from "./plain-start.js";

/** What tells an agent of mail between its own calls: the host's hooks, installed or of the plugin. */
export function checkHooks(evidence: Evidence): Finding[] {
  return evidence.hosts.flatMap((view) => {
    const table = view.host.hooks;
    if (table === "none") return [];
    const troubles = [
      ...missingScript(view, evidence),
      ...strange(view, evidence),
      ...switchedOff(view),
      ...untrusted(view, table),
      ...partial(view, table, evidence),
    ];
    return troubles.length > 0 ? troubles : wellOrAbsent(view, evidence);
  });
}

function missingScript(view: HostView, evidence: Evidence): Finding[] {
  const { program } = evidence;
  const gone = view.hooks.find(({ script }) => isAbsolute(script) && !existsSync(script));
  if (gone === undefined) return [];
  const subject = view.host.title;
  const seen = `the hooks in ${gone.path} run ${gone.script}, which is not there`;
  const own = scriptBeside(program);
  const reinstall = gone.script === own ? [] : reinstallHooks(view, evidence);
  const advice = existsSync(own) ? advise(reinstall) : restore(program, reinstall);
  return [{ id: "hooks-program-missing", severity: "problem", subject, seen, ...advice }];
}

/** The author of a checkout may have put anything before the script, or another script of its name. */
function strange({ host, hooks }: HostView, evidence: Evidence): Finding[] {
  const found = hooks.find((hook) => hook.scope === "project" && !isPlainHook(hook, evidence));
  if (found === undefined || !existsSync(found.script)) return [];
  return [
    {
      id: "hooks-strange",
      severity: "warning",
      subject: host.title,
      seen: `a hook in ${found.path} comes with the project and runs ${found.script}, or more beside it, which is not this program's`,
      fix: `Look at it before you trust the project, and remove it unless it is yours`,
    },
  ];
}

function switchedOff({ host, hooks, hooksSwitch, plugin }: HostView): Finding[] {
  if (hooksSwitch === undefined || (hooks.length === 0 && plugin === undefined)) return [];
  const { path, setting } = hooksSwitch;
  const seen = `hooks that tell of mail are switched off by ${setting} in ${path}`;
  const fix = `Remove what switches them off from ${path}: ${setting}`;
  return [{ id: "hooks-disabled", severity: "warning", subject: host.title, seen, fix }];
}

function untrusted(
  { host, hooks, untrustedHooks, plugin, isPluginTrusted }: HostView,
  { trust }: HostHooks,
): Finding[] {
  if (trust === "none") return [];
  const subject = host.title;
  const [first] = untrustedHooks;
  const some = `${count(untrustedHooks.length, "hook")} of ${hooks.length}`;
  const whose = [
    ...(first === undefined ? [] : [`${some} in ${first.path} are not trusted as they are`]),
    ...(plugin === undefined || isPluginTrusted ? [] : ["hooks of its plugin are not trusted"]),
  ];
  return whose.map((which) => {
    const seen = `${which}, and ${subject} does not run them`;
    return { id: "hooks-untrusted", severity: "warning", subject, seen, fix: trust.way };
  });
}

/** Whether only some of the hooks that `install` writes are there. The plugin has all. */
function partial(view: HostView, table: HostHooks, evidence: Evidence): Finding[] {
  const { host, hooks, plugin } = view;
  const [first] = hooks;
  if (first === undefined || plugin !== undefined) return [];
  const run = hooks.filter(({ isRunAlways }) => isRunAlways).map(({ hook }) => hook);
  const lacking = table.hooks.filter((hook) => !run.includes(hook));
  if (lacking.length === 0) return [];
  const events = [...new Set(lacking.map(({ event }) => event))].join(", ");
  const seen = `${lacking.length} of the ${table.hooks.length} hooks that tell of mail are not in ${first.path}, or changed there: ${events}`;
  const advice = advise(reinstallHooks(view, evidence));
  return [{ id: "hooks-partial", severity: "warning", subject: host.title, seen, ...advice }];
}

function wellOrAbsent(view: HostView, evidence: Evidence): Finding[] {
  const { host, hooks, plugin, entries } = view;
  const subject = host.title;
  if (hooks[0] !== undefined) {
    const seen = `its hooks tell of mail, by ${hooks[0].path}`;
    return [{ id: "hooks", severity: "ok", subject, seen }];
  }
  const [entry] = entries.filter(({ scope }) => scope !== "ignored");
  if (plugin !== undefined || entry === undefined) return [];
  const seen = "no hook tells its agents of mail: they hear of it with their next call";
  const isPlain = entry.kind === "own";
  const advice = advise(
    reinstallHooks(view, evidence),
    isPlain ? undefined : "that writes the entry anew, too, and keeps a copy of what it was",
  );
  return [{ id: "hooks-absent", severity: "note", subject, seen, ...advice }];
}

/** The commands that write hooks anew as they should be, where they or the entry are. */
function reinstallHooks(view: HostView, evidence: Evidence): string[] {
  const { host, hooks, entries } = view;
  const used = entries.filter(({ scope }) => scope !== "ignored");
  const places = hooks.length > 0 ? hooks : used;
  const scope = places.every((place) => place.scope === "project") ? "project" : "user";
  // `install` refuses what somebody changed, be it a hook or the entry in the same scope.
  const isPlain =
    hooks.every((hook) => hook.scope !== scope || hook.isOwn) &&
    used.every((entry) => entry.scope !== scope || entry.kind === "own");
  return installCommands(evidence, host.name, { scope, force: !isPlain });
}

/** Brings back what came with this program, and then does the rest. Where its clone is, only the user knows. */
function restore(program: string, rest: readonly string[]): Pick<Finding, "fix" | "commands"> {
  const folder = dirname(dirname(program));
  if (existsSync(join(folder, "src"))) {
    return advise([commandLine("npm", "--prefix", folder, "run", "build"), ...rest]);
  }
  return {
    fix: ["In a clone of Peerline: npm ci && npm install --global .", ...rest].join("; then "),
  };
}
