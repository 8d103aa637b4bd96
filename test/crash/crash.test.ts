import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { AbortScope } from "../../src/abort-scope.js";
import { runCrash } from "./crash-run.js";
import { summarize } from "./summary.js";

// The short form by default; `npm run crash` sets the figures of the long one.
const seed = process.env["PEERLINE_CRASH_SEED"] ?? randomBytes(4).toString("hex");
const brokerKills = Number(process.env["PEERLINE_CRASH_KILLS"] ?? 8);
const messages = Number(process.env["PEERLINE_CRASH_MESSAGES"] ?? 2000);
const isLong = brokerKills > 50 || messages > 20_000;
const minutes = Number(process.env["PEERLINE_CRASH_MINUTES"] ?? (isLong ? 60 : 5));

test(
  "whatever is killed, stopped or cut: nothing is lost, made up, repeated unmarked, revived or reordered",
  async () => {
    process.stderr.write(`crash run with PEERLINE_CRASH_SEED=${seed}\n`);
    using run = new AbortScope([], minutes * 60_000);
    const outcome = await runCrash({
      seed,
      brokerKills,
      messages,
      workers: isLong ? 4 : 2,
      peersPerWorker: 6,
      hosts: isLong ? 4 : 2,
      pauseMs: isLong ? 5 : 40,
      signal: run.signal,
      report: (line) => isLong && process.stderr.write(`${line}\n`),
    });
    process.stderr.write(`${summarize(outcome)}\n`);
    expect(outcome.violations.slice(0, 20), outcome.evidence.join("\n")).toEqual([]);
    expect(outcome.brokerKills).toBeGreaterThanOrEqual(brokerKills);
    expect(outcome.counts.accepted).toBeGreaterThanOrEqual(messages);
  },
  // With what draining and judging take.
  (minutes + 8) * 60_000,
);
