import { readConfig, type Config } from "../../endpoint/config.js";
import { EndpointError } from "../../endpoint/endpoint-error.js";
import { advise, reinstall } from "./advice.js";
import { isExpanded, type EntryView } from "./entry-view.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import type { HostView } from "./host-view.js";
import { socketOf } from "./running-programs.js";

/** What can be said against an entry that its host reads, by looking at it alone. */
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
  return [
    {
      id: "entry-disabled",
      severity: "problem",
      subject: host.title,
      seen: `the entry in ${path} is switched off: ${key} = ${String(settings[key])}`,
      mend: `Remove ${key} from it`,
    },
  ];
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
  const mend = `Set ${set.join(", ")} there as it is everywhere else, or remove it`;
  const finding = { id: "entry-home", severity: "problem", subject: host.title } as const;
  try {
    const there = socketOf(readConfig({ ...settingsOf(config), ...entry.env }).endpoint);
    const here = socketOf(config.endpoint);
    if (there === here) return [];
    const seen = `the entry in ${entry.path} makes its agents use ${there}, and here it is ${here}`;
    return [{ ...finding, seen, mend }];
  } catch (error) {
    if (!(error instanceof EndpointError)) throw error;
    const seen = `the entry in ${entry.path} sets what cannot be used: ${error.message}`;
    return [{ ...finding, seen, mend }];
  }
}

/** The variables that say what is set here: a host may pass them on. */
function settingsOf({ home, endpoint, ownsBroker }: Config) {
  return { PEERLINE_HOME: home, PEERLINE_BROKER: ownsBroker ? "" : endpoint };
}
