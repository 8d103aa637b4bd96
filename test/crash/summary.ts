import { violations, type ViolationKind } from "./checker.js";
import type { Outcome } from "./crash-run.js";

/** What came of a run, as two tables of Markdown. */
export function summarize(outcome: Outcome): string {
  const { seed, peers, counts, strikes, brokerKills, durationMs } = outcome;
  const facts: [string, string | number][] = [
    ["seed", `\`${seed}\``],
    ["duration", `${Math.round(durationMs / 1000)} s`],
    ["peers", peers],
    ["broker killed", brokerKills],
    ...[...strikes].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ["messages accepted", counts.accepted],
    ["attempts to send that ended unknown", counts.unknownAttempts],
    ["deliveries to light adapters", counts.delivered],
    ["presentations", counts.presented],
    ["presentations again, marked `redelivered`", counts.presentedAgain],
    ["dead-lettered or expired", counts.ended],
    ["registrations whose name was checked", counts.returned],
  ];
  const judged = Object.entries(violations).map(([kind, meaning]): [string, number] => [
    `**${kind}**: ${meaning}`,
    countOf(outcome, kind),
  ]);
  return `${table(["what happened", ""], facts)}\n\n${table(["what must not", "found"], judged)}`;
}

function countOf(outcome: Outcome, kind: ViolationKind | (string & {})): number {
  return outcome.violations.filter((violation) => violation.kind === kind).length;
}

function table(head: [string, string], rows: readonly [string, string | number][]): string {
  const texts = [head, ...rows].map((row) => row.map(String));
  const [left = 0, right = 0] = [0, 1].map((column) =>
    Math.max(3, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const lines = texts.map(([a = "", b = ""]) => `| ${a.padEnd(left)} | ${b.padStart(right)} |`);
  const rule = `| ${"-".repeat(left)} | ${"-".repeat(right - 1)}: |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
