import { statSync } from "node:fs";
import { join } from "node:path";
import { readProcess } from "../support/process-reading.js";
import type { Tally } from "./tally.js";

/** One reading of everything that must level off. */
export interface Sample {
  readonly seconds: number;
  readonly brokerRssMiB: number;
  readonly brokerDescriptors: number;
  readonly adapterRssMiB: number;
  readonly adapterDescriptors: number;
  /** The database with its WAL. */
  readonly databaseMiB: number;
  readonly accepted: number;
  readonly failed: number;
}

export function takeSample(from: {
  startMs: number;
  home: string;
  brokerPid: number;
  adapterPid: number;
  tally: Tally;
}): Sample {
  const broker = readProcess(from.brokerPid);
  const adapter = readProcess(from.adapterPid);
  return {
    seconds: Math.round((Date.now() - from.startMs) / 1000),
    brokerRssMiB: round(broker.rssMiB),
    brokerDescriptors: broker.descriptors,
    adapterRssMiB: round(adapter.rssMiB),
    adapterDescriptors: adapter.descriptors,
    databaseMiB: round(databaseBytes(from.home) / 1024 / 1024),
    accepted: from.tally.accepted,
    failed: from.tally.failed,
  };
}

/** The sample as a line of a table; `header` names its columns. */
export function toCsv(sample: Sample): string {
  return Object.values(sample).join(",");
}

export function header(sample: Sample): string {
  return Object.keys(sample)
    .map((key) => key.replaceAll(/MiB|[A-Z][a-z]+/g, (word) => `_${word.toLowerCase()}`))
    .join(",");
}

function databaseBytes(home: string): number {
  return ["peerline.db", "peerline.db-wal"]
    .map((name) => statSync(join(home, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
