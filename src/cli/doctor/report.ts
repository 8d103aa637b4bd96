import { visibleLine } from "../../contract/peer-text.js";
import { wrap } from "../print/columns.js";
import type { Output } from "../print/output.js";
import { count } from "../print/words.js";
import { groups, isTrouble, type Finding, type Severity } from "./finding.js";

/** Findings for people: what is well by groups, then what is to be mended, the worst last. */
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
  return [...sections, { heading: "To be mended", members: troubles }]
    .filter(({ members }) => members.length > 0)
    .flatMap(({ heading, members }) => [
      color.bold(heading),
      ...members.flatMap((finding) => lines(finding, out)),
      "",
    ])
    .concat(closing(findings));
}

function lines(
  { severity, subject, seen, mend }: Finding,
  { color, width }: Pick<Output, "color" | "width">,
): string[] {
  const paint = { ok: color.green, note: color.dim, warning: color.yellow, problem: color.red };
  const mark = paint[severity](severity.padEnd(markWidth));
  const fact = `  ${mark}${visibleLine(subject)}: ${visibleLine(seen)}`;
  const first = wrap(fact, width, { hanging: markWidth + 2 });
  if (mend === undefined) return first;
  // What is to be copied is not broken.
  return [...first, `  ${" ".repeat(markWidth)}mend: ${visibleLine(mend)}`];
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
