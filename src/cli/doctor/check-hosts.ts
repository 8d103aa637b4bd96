import type { EntryView } from "./entry-view.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import type { HostView } from "./host-view.js";

/** Which hosts are told of Peerline, and where. */
export function checkHosts({ hosts, self }: Evidence): Finding[] {
  if (hosts.length > 0) return hosts.flatMap((view) => judge(view, self));
  const seen = "no coding agent was found on this machine";
  const mend = `Install one, then ${self} install --all`;
  return [{ id: "host-none", severity: "note", subject: "hosts", seen, mend }];
}

function judge({ host, entries, plugin }: HostView, self: string): Finding[] {
  const subject = host.title;
  const used = entries.filter(({ scope }) => scope !== "ignored");
  const ignored = entries.filter(({ scope }) => scope === "ignored");
  const findings = ignored.map(({ path }) =>
    ignoredEntry(subject, path, `${self} install ${host.name}`),
  );
  const places = [
    ...used.map(placeOf),
    ...(plugin === undefined ? [] : [`its plugin (${plugin})`]),
  ];
  if (places.length === 0) {
    const seen = "it is not told of Peerline";
    const mend = `${self} install ${host.name}`;
    return [{ id: "host-unconfigured", severity: "note", subject, seen, mend }, ...findings];
  }
  const seen = `it is told by ${places.join(" and ")}`;
  const configured: Finding = { id: "host-configured", severity: "ok", subject, seen };
  return [configured, ...findings, ...twice(subject, used, plugin)];
}

function ignoredEntry(subject: string, path: string, install: string): Finding {
  return {
    id: "entry-ignored",
    severity: "problem",
    subject,
    seen: `an entry for peerline is in ${path}, where the host does not look for servers`,
    mend: `${install}, and remove the entry from that file`,
  };
}

function twice(subject: string, used: readonly EntryView[], plugin: string | undefined): Finding[] {
  const [first, second] = used;
  if (first !== undefined && plugin !== undefined) {
    const seen = "its plugin and an entry each start a server: every agent is two peers";
    const mend = `Remove the entry peerline from ${first.path}, or disable the plugin`;
    return [{ id: "entry-twice", severity: "warning", subject, seen, mend }];
  }
  if (first === undefined || second === undefined) return [];
  const isSame = first.command === second.command && first.args.join() === second.args.join();
  const seen = `there are ${used.length} entries, and in this project ${used.at(-1)?.path} counts`;
  const mend = `Keep one of them: ${used.map(({ path }) => path).join(", ")}`;
  return [{ id: "entry-twice", severity: isSame ? "note" : "warning", subject, seen, mend }];
}

function placeOf({ path, scope }: EntryView): string {
  if (scope === "user") return path;
  return `${path} (${scope === "local" ? "for you in this project" : "for this project"})`;
}
