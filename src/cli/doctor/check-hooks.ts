import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { count } from "../receipt-words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import type { HostView } from "./host-view.js";

/** What tells an agent of mail between its own calls: the host's hooks, installed or of the plugin. */
export function checkHooks({ hosts, self }: Evidence): Finding[] {
  return hosts
    .filter(({ host }) => hosted.has(host.name))
    .flatMap((view) => [...missingScript(view, self), ...judge(view, self)]);
}

/** Hosts that have hooks for it. */
const hosted: ReadonlySet<string> = new Set(["claude", "codex", "gemini"]);

function missingScript({ host, hooks }: HostView, self: string): Finding[] {
  const gone = hooks.find(({ script }) => script && isAbsolute(script) && !existsSync(script));
  if (gone === undefined) return [];
  const seen = `the hooks in ${gone.path} run ${gone.script}, which is not there`;
  const mend = `${self} install ${host.name}`;
  return [{ id: "hooks-program-missing", severity: "problem", subject: host.title, seen, mend }];
}

function judge(view: HostView, self: string): Finding[] {
  const { host, hooks, untrustedHooks, plugin, entries } = view;
  const subject = host.title;
  if (untrustedHooks[0] !== undefined) {
    const seen = `${count(untrustedHooks.length, "hook")} of ${hooks.length} in ${untrustedHooks[0].path} are not trusted, and Codex does not run them`;
    const mend = "Start codex, and trust them when it says that hooks need review, or with /hooks";
    return [{ id: "hooks-untrusted", severity: "warning", subject, seen, mend }];
  }
  if (hooks[0] !== undefined) {
    const seen = `its hooks tell of mail, by ${hooks[0].path}`;
    return [{ id: "hooks", severity: "ok", subject, seen }];
  }
  if (plugin !== undefined || entries.every(({ scope }) => scope === "ignored")) return [];
  const seen = "no hook tells its agents of mail: they hear of it with their next call";
  const mend = `${self} install ${host.name}`;
  return [{ id: "hooks-absent", severity: "note", subject, seen, mend }];
}
