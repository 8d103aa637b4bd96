import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { AbortScope } from "../../src/abort-scope.js";
import { isNatsMissing } from "../support/nats-programs.js";
import { runCluster } from "./cluster-run.js";
import { summarize } from "./summary.js";

// The short form by default; `npm run crash:nats` sets the figures of the long one.
const seed = process.env["PEERLINE_CLUSTER_SEED"] ?? randomBytes(4).toString("hex");
const strikes = Number(process.env["PEERLINE_CLUSTER_FAULTS"] ?? 4);
const messages = Number(process.env["PEERLINE_CLUSTER_MESSAGES"] ?? 1000);
const isLong = strikes > 4 || messages > 1000;
const minutes = Number(process.env["PEERLINE_CLUSTER_MINUTES"] ?? (isLong ? 60 : 3));

test.skipIf(isNatsMissing())(
  "over three servers and two gateways nothing is lost, made up, repeated unmarked, revived or reordered",
  async () => {
    process.stderr.write(`cluster run with PEERLINE_CLUSTER_SEED=${seed}\n`);
    using run = new AbortScope([], minutes * 60_000);
    const outcome = await runCluster({
      seed,
      strikes,
      messages,
      workers: isLong ? 4 : 2,
      peersPerWorker: isLong ? 6 : 4,
      pauseMs: isLong ? 5 : 20,
      signal: run.signal,
      report: (line) => isLong && process.stderr.write(`${line}\n`),
    });
    process.stderr.write(`${summarize(outcome)}\n\n${outcome.outages.summarize()}\n`);
    expect(outcome.violations.slice(0, 20), outcome.evidence.join("\n")).toEqual([]);
    expect(outcome.counts.accepted).toBeGreaterThanOrEqual(messages);
  },
  // With what draining and judging take.
  (minutes + 8) * 60_000,
);
