/** What is told of many values of one kind. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** A median with its least and its largest. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Statistic = "p50" | "p99";

export function summarise(values: readonly number[]): Summary {
  const at = (percent: number): number => percentile(values, percent);
  return { count: values.length, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

/** The least value that so many percent of all do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new Error("there is no percentile of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] as number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1);
  return {
    median: middle.reduce((sum, value) => sum + value, 0) / middle.length,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
  };
}

/** The statistic of each round of one, divided by that of the same round of the other. */
export function ratios(
  ours: readonly (readonly number[])[],
  others: readonly (readonly number[])[],
  statistic: Statistic,
): number[] {
  const of = (values: readonly number[]): number => summarise(values)[statistic];
  return ours
    .slice(0, others.length)
    .map((values, round) => of(values) / of(others[round] as readonly number[]));
}
