import type { Bench } from "./bench-run.js";
import type { Mode } from "./limits.js";
import type { Statistic } from "./statistics.js";

/** What a row of the table measures. Of rates and memory each round has one value. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: "ms" | "/s" | "MiB" | "cores";
  /** How it is measured, in a sentence or two. */
  readonly how: string;
  readonly targets: readonly Target[];
  /** The subject without which it was not measured. Default: this build. */
  readonly needs?: string;
}

/** What a statistic has to be, by itself or divided by another's of the same round. */
export type Target = {
  /** Default: the median. */
  readonly statistic?: Statistic;
  /** Whose. Default: this build's. */
  readonly of?: string;
  /** What it is divided by. */
  readonly over?: string;
  /** The runs that measure what it is about. Default: all. */
  readonly modes?: readonly Mode[];
} & ({ readonly atMost: number } | { readonly atLeast: number });

/** Rows that are measured together, since they need the same processes. */
export interface RowGroup {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Why it cannot be measured on this machine; undefined where it can. Default: it can. */
  missing?(): string | undefined;
  /** Records what it measures; throws why it cannot. */
  measure(bench: Bench): Promise<void>;
}

/** What is measured, by the names of the report. A second build has the name of its folder. */
export const subjects = {
  ours: "peerline",
  echo: "gRPC echo",
  relay: "gRPC relay",
  relayed: "gRPC relay, a call back from each",
  sync: "write + fdatasync",
  bare: "bare MCP server",
  node: "node -e 0",
  shell: "sh -c :",
  sqlite: "SQLite",
  oneServer: "NATS, 1 server",
  threeServers: "NATS, 3 servers",
  bareOne: "bare JetStream, 1 server",
  bareThree: "bare JetStream, 3 servers",
} as const;
