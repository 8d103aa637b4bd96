import { maxGrowth } from "./limits.js";
import type { Sample } from "./sample.js";

/** What is to level off, with what it is called. */
export const curves = {
  brokerRssMiB: "broker, memory (RSS), MiB",
  brokerDescriptors: "broker, file descriptors",
  databaseMiB: "database with its log, MiB",
  adapterRssMiB: "an adapter, memory (RSS), MiB",
  adapterDescriptors: "an adapter, file descriptors",
} as const satisfies Partial<Record<keyof Sample, string>>;

export type Curve = keyof typeof curves;

/** How a curve stands in the middle third and in the last third of the run: averages. */
export function levelOf(
  samples: readonly Sample[],
  curve: Curve,
): { middle: number; last: number; isLevel: boolean } {
  const third = Math.floor(samples.length / 3);
  const middle = average(samples.slice(third, 2 * third).map((sample) => sample[curve]));
  const last = average(samples.slice(2 * third).map((sample) => sample[curve]));
  return { middle, last, isLevel: last <= middle * (1 + maxGrowth) };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
