import { violations, type Verdict } from "./checker.js";

/** What came of a run, as two tables of Markdown. */
export function summarize(
  outcome: Verdict & {
    readonly seed: string;
    readonly peers: number;
    readonly brokerKills?: number;
    readonly strikes: ReadonlyMap<string, number>;
    readonly durationMs: number;
  },
): string {
  const { seed, peers, counts, strikes, brokerKills, durationMs } = outcome;
  const facts: [string, string | number][] = [
    ["seed", `\`${seed}\``],
    ["duration", `${Math.round(durationMs / 1000)} s`],
    ["peers", peers],
    ...(brokerKills === undefined ? [] : [["broker killed", brokerKills] as [string, number]]),
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
    outcome.violations.filter((violation) => violation.kind === kind).length,
  ]);
  return `${table(["what happened", ""], facts)}\n\n${table(["what must not", "found"], judged)}`;
}

/** Of Markdown: the first column to the left, the others to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const texts = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) =>
    Math.max(3, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const lines = texts.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return `| ${cells.join(" | ")} |`;
  });
  const rules = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [lines[0], `| ${rules.join(" | ")} |`, ...lines.slice(1)].join("\n");
}
