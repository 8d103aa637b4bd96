import { percentile, ratios, type Spread, spread, type Summary, summarise } from "./statistics.js";
import type { Mode } from "./limits.js";
import { type Row, type RowGroup, subjects, type Target } from "./row.js";
import type { Samples } from "./samples.js";

/** What a run found, as it is written as JSON. */
export interface Report {
  readonly date: string;
  readonly mode: Mode;
  readonly machine: Machine;
  readonly builds: readonly string[];
  readonly rivalsNotInstalled: readonly string[];
  readonly notes: readonly string[];
  readonly rows: readonly RowReport[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** The Node that runs what is measured. */
  readonly node: string;
  /** Average length of the queue for the cores in the last minute, at the begin and the end. */
  readonly load: readonly [number, number];
}

export interface RowReport {
  readonly id: string;
  readonly title: string;
  readonly unit: Row["unit"];
  readonly how: string;
  /** By subject. */
  readonly figures: Readonly<Record<string, Figures>>;
  readonly targets: readonly TargetReport[];
  /** This build's median divided by that of each other, round by round. */
  readonly builds: Readonly<Record<string, Spread>>;
  /** Why there are no figures; absent where there are. */
  readonly unmeasured?: string;
}

export interface Figures extends Summary {
  /** The median of each round. */
  readonly rounds: readonly number[];
  /** At 1, 2, … 99, 99.5 and 99.9 %; of latencies only. */
  readonly percentiles?: readonly (readonly [number, number])[];
}

export interface TargetReport {
  /** What is to be, in words. */
  readonly target: string;
  /** What is, over the rounds: a ratio, or the figure itself. Absent where what it is compared with is not installed. */
  readonly found?: Spread;
  /** It is a ratio. */
  readonly isRatio: boolean;
  readonly isMet: boolean;
}

/** What is told of the rows of a group. `failure` says why it could not be measured. */
export function reportRows(
  { rows: all }: RowGroup,
  samples: Samples,
  of: { mode: Report["mode"]; builds: readonly string[]; failure?: string | undefined },
): RowReport[] {
  const { mode, builds, failure } = of;
  const rows = all.map((row) => ({
    ...row,
    targets: row.targets.filter(({ modes }) => modes?.includes(mode) ?? true),
  }));
  return rows.map((row) => {
    const measured = samples.of(row.id);
    const why = failure ?? missingFigures(row, measured);
    const figures: RowReport["figures"] = Object.fromEntries(
      [...measured].map(([subject, rounds]) => [subject, figuresOf(row, rounds)]),
    );
    const { id, title, unit, how } = row;
    const told = { id, title, unit, how, figures };
    if (why !== undefined) return { ...told, targets: [], builds: {}, unmeasured: why };
    return {
      ...told,
      targets: row.targets.map((target) => judge(target, measured, row.unit)),
      builds: compareBuilds(measured, builds),
    };
  });
}

type Measured = ReadonlyMap<string, readonly (readonly number[])[]>;

function missingFigures(
  { targets, needs = subjects.ours }: Row,
  measured: Measured,
): string | undefined {
  const needed = [...new Set([needs, ...targets.map(({ of = needs }) => of)])];
  const missing = needed.filter((subject) => (measured.get(subject)?.length ?? 0) === 0);
  return missing.length === 0 ? undefined : `there are no figures of ${missing.join(", ")}`;
}

function figuresOf({ unit }: Row, rounds: readonly (readonly number[])[]): Figures {
  const values = rounds.flat();
  const medians = rounds.map((round) => percentile(round, 50));
  const summary = { ...summarise(values), rounds: medians };
  if (unit !== "ms") return summary;
  const percents = [...Array.from({ length: 99 }, (_, index) => index + 1), 99.5, 99.9];
  const percentiles = percents.map((percent) => [percent, percentile(values, percent)] as const);
  return { ...summary, percentiles };
}

function judge(target: Target, measured: Measured, unit: Row["unit"]): TargetReport {
  const { statistic = "p50", of = subjects.ours, over } = target;
  const ours = measured.get(of) ?? [];
  const told = { target: wordsOf(target, unit), isRatio: over !== undefined };
  const others = over === undefined ? undefined : (measured.get(over) ?? []);
  if (others?.length === 0) return { ...told, isMet: false };
  const found = spread(
    others === undefined
      ? ours.map((values) => summarise(values)[statistic])
      : ratios(ours, others, statistic),
  );
  const isMet = "atMost" in target ? found.median <= target.atMost : found.median >= target.atLeast;
  return { ...told, found, isMet };
}

function wordsOf(target: Target, unit: Row["unit"]): string {
  const { statistic = "p50", of, over } = target;
  const subject = [of, statistic === "p50" ? undefined : statistic].filter((word) => word);
  const bound =
    "atMost" in target ? `≤ ${bare(target.atMost, over)}` : `≥ ${bare(target.atLeast, over)}`;
  return `${[...subject, bound].join(" ")}${over === undefined ? ` ${unit}` : `x ${over}`}`;
}

function bare(bound: number, over: string | undefined): string {
  return over !== undefined && bound < 0.1 ? `1/${Math.round(1 / bound)}` : String(bound);
}

function compareBuilds(
  measured: Measured,
  [ours = "", ...others]: readonly string[],
): Record<string, Spread> {
  const own = measured.get(ours) ?? [];
  const compared = others.flatMap((label) => {
    const rounds = measured.get(label) ?? [];
    return rounds.length === 0 || own.length === 0
      ? []
      : [[label, spread(ratios(own, rounds, "p50"))] as const];
  });
  return Object.fromEntries(compared);
}

/** The report as a page. */
export function toMarkdown(report: Report): string {
  const { machine, rows } = report;
  const missing = rows.filter(({ unmeasured }) => unmeasured !== undefined);
  return [
    `${report.date}, ${report.mode} run; Node ${machine.node}; ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB; ${machine.system}; load ${machine.load.map((value) => value.toFixed(1)).join(", then ")}.`,
    targetTable(rows),
    ...(report.builds.length > 1 ? [buildTable(rows)] : []),
    figureTable(rows),
    rows.map(({ id, how }) => `- \`${id}\`: ${how}`).join("\n"),
    ...report.notes.map((note) => `Note: ${note}`),
    ...report.rivalsNotInstalled.map((name) => `Not installed: ${name}.`),
    ...missing.map(({ id, unmeasured }) => `NOT MEASURED: \`${id}\`: ${unmeasured}`),
  ].join("\n\n");
}

/** Lines for people who watch a terminal: what each target came to. */
function targetTable(rows: readonly RowReport[]): string {
  const lines = rows.flatMap(({ id, title, unit, targets, unmeasured }) => {
    if (unmeasured !== undefined) return [[`\`${id}\``, title, "", "", "NOT MEASURED"]];
    return targets.map(({ target, found, isRatio, isMet }, index) => {
      const name = index === 0 ? [`\`${id}\``, title] : ["", ""];
      if (found === undefined) return [...name, target, "", "not installed"];
      const show = (value: number): string => (isRatio ? ratioWords(value) : short(value));
      const words = `${show(found.median)}${isRatio ? "x" : ` ${unit}`} (${show(found.min)}–${show(found.max)})`;
      return [...name, target, words, isMet ? "met" : `MISSED`];
    });
  });
  return table(["row", "measured", "target", "found (least–largest round)", ""], lines);
}

function buildTable(rows: readonly RowReport[]): string {
  const lines = rows.flatMap(({ id, unit, figures, builds }) =>
    Object.entries(builds).map(([label, { median, min, max }]) => [
      `\`${id}\``,
      `${short(figures[subjects.ours]?.p50 ?? 0)} ${unit}`,
      label,
      `${short(figures[label]?.p50 ?? 0)} ${unit}`,
      `${median.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`,
    ]),
  );
  return table(["row", "this build", "other build", "its", "this ÷ other (rounds)"], lines);
}

function figureTable(rows: readonly RowReport[]): string {
  const lines = rows.flatMap(({ id, unit, figures }) =>
    Object.entries(figures).map(([subject, { count, p50, p90, p99, max }], index) => [
      index === 0 ? `\`${id}\`` : "",
      subject,
      unit,
      ...[p50, p90, p99, max].map(short),
      String(count),
    ]),
  );
  return table(["row", "of", "unit", "p50", "p90", "p99", "max", "values"], lines);
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rule = head.map(() => "---");
  return [head, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function ratioWords(ratio: number): string {
  return ratio < 0.1 ? `1/${short(1 / ratio)}` : short(ratio);
}

function short(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
