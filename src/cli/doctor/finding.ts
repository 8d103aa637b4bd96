import { visibleLine } from "../../contract/peer-text.js";
import { wrap } from "../print/columns.js";
import type { Output } from "../print/output.js";
import { count } from "../print/words.js";

/** What a finding is about: the heading under which people read it. */
export type Group = "This program" | "Home" | "Broker" | "Agents" | "Hosts";

/** Everything that can be found, by id. Scripts know these: none changes its meaning. */
export const groups = {
  program: "This program",
  "program-path": "This program",
  "program-forbidden": "This program",
  "program-node": "This program",
  "setting-invalid": "This program",
  "not-looked": "This program",
  "directory-removed": "This program",
  home: "Home",
  "home-missing": "Home",
  "home-own": "Home",
  "home-open": "Home",
  "home-unusable": "Home",
  "home-path-long": "Home",
  "home-link": "Home",
  "home-elsewhere": "Home",
  "home-files": "Home",
  disk: "Home",
  "start-claim": "Home",
  "home-foreign": "Home",
  "locks-refused": "Home",
  "links-refused": "Home",
  secrets: "Home",
  doorbells: "Home",
  "doorbells-unvisited": "Home",
  broker: "Broker",
  "broker-absent": "Broker",
  "broker-away": "Broker",
  "broker-joined": "Broker",
  "broker-place": "Broker",
  "broker-own": "Broker",
  "chain-name": "Broker",
  "chain-port": "Broker",
  "chain-certificate": "Broker",
  "chain-credential": "Broker",
  "round-trip": "Broker",
  "joined-damaged": "Broker",
  sharing: "Broker",
  "sharing-unread": "Broker",
  "sharing-certificate": "Broker",
  "sharing-address": "Broker",
  "sharing-reach": "Broker",
  "broker-elsewhere": "Broker",
  "broker-socket-left": "Broker",
  "broker-socket-foreign": "Broker",
  "broker-silent": "Broker",
  "broker-unseen": "Broker",
  "lock-held": "Broker",
  "broker-version": "Broker",
  "broker-start-failed": "Broker",
  "broker-settings": "Broker",
  "broker-settings-invalid": "Broker",
  "broker-settings-unread": "Broker",
  "share-certificate": "Broker",
  "share-certificate-ends": "Broker",
  "share-certificate-unusable": "Broker",
  "share-authority-unusable": "Broker",
  store: "Broker",
  "store-closed": "Broker",
  "store-damaged": "Broker",
  engine: "Broker",
  "engine-server": "Broker",
  "engine-full": "Broker",
  "engine-durability": "Broker",
  clock: "Broker",
  peers: "Agents",
  "peers-stale": "Agents",
  homes: "Agents",
  "homes-differ": "Agents",
  "adapter-version": "Agents",
  "host-none": "Hosts",
  "host-configured": "Hosts",
  "host-unconfigured": "Hosts",
  "config-broken": "Hosts",
  "entry-ignored": "Hosts",
  "entry-leftover": "Hosts",
  "entry-twice": "Hosts",
  "entry-strange": "Hosts",
  "entry-disabled": "Hosts",
  "entry-fleeting": "Hosts",
  "entry-relative": "Hosts",
  "entry-program-missing": "Hosts",
  "entry-env-vars": "Hosts",
  "entry-home": "Hosts",
  "entry-answers": "Hosts",
  "entry-not-started": "Hosts",
  "entry-foreign": "Hosts",
  "entry-noise": "Hosts",
  "entry-ended": "Hosts",
  "entry-silent": "Hosts",
  "entry-node": "Hosts",
  "entry-version": "Hosts",
  hooks: "Hosts",
  "hooks-absent": "Hosts",
  "hooks-program-missing": "Hosts",
  "hooks-strange": "Hosts",
  "hooks-disabled": "Hosts",
  "hooks-partial": "Hosts",
  "hooks-untrusted": "Hosts",
  "folder-untrusted": "Hosts",
  plugin: "Hosts",
  "plugin-program-missing": "Hosts",
} as const satisfies Record<string, Group>;

export type FindingId = keyof typeof groups;

/** `warning`: something does not work as it could. `problem`: something does not work. */
export type Severity = "ok" | "note" | "warning" | "problem";

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  /** The file, program or host that it is about. */
  readonly subject: string;
  /** One line of what was seen. */
  readonly seen: string;
  /** One line: the exact command or edit. */
  readonly fix?: string;
  /** The lines for a shell that carry it out, in order; absent where a person has to. See `Advice`. */
  readonly commands?: readonly string[];
}

/** What an error says of the broker at an endpoint, beside that endpoint. */
export function withoutSubject(sentence: string, endpoint: string): string {
  return sentence.replaceAll(`The broker at ${endpoint} `, "it ");
}

/** Whether it is worth a person's time. */
export function isTrouble({ severity }: Finding): boolean {
  return severity === "warning" || severity === "problem";
}

/** Findings for people: what is well by groups, then what is to be fixed, the worst last. */
export function reportLines(
  findings: readonly Finding[],
  out: Pick<Output, "color" | "width">,
): string[] {
  const { color } = out;
  const calm = findings.filter((finding) => !isTrouble(finding));
  const troubles = (["warning", "problem"] as const).flatMap((severity) =>
    findings.filter((finding) => finding.severity === severity),
  );
  const headings = [...new Set(Object.values(groups))];
  const sections = headings.map((heading) => ({
    heading,
    members: calm.filter(({ id }) => groups[id] === heading),
  }));
  return [...sections, { heading: "To be fixed", members: troubles }]
    .filter(({ members }) => members.length > 0)
    .flatMap(({ heading, members }) => [
      color.bold(heading),
      ...members.flatMap((finding) => lines(finding, out)),
      "",
    ])
    .concat(closing(findings));
}

function lines(
  { severity, subject, seen, fix }: Finding,
  { color, width }: Pick<Output, "color" | "width">,
): string[] {
  const paint = { ok: color.green, note: color.dim, warning: color.yellow, problem: color.red };
  const mark = paint[severity](severity.padEnd(markWidth));
  const fact = `  ${mark}${visibleLine(subject)}: ${visibleLine(seen)}`;
  const first = wrap(fact, width, { hanging: markWidth + 2 });
  if (fix === undefined) return first;
  // Lines that are to be copied are not wrapped.
  return [...first, `  ${" ".repeat(markWidth)}fix: ${visibleLine(fix)}`];
}

/** The longest severity and a gap. */
const markWidth = "problem".length + 2;

function closing(findings: readonly Finding[]): string {
  const number = (severity: Severity) =>
    findings.filter((finding) => finding.severity === severity).length;
  const counts = (["note", "warning", "problem"] as const).map((severity) =>
    count(number(severity), severity),
  );
  return `${number("ok")} ok, ${counts.join(", ")}.`;
}
