import { describe, expect, test } from "vitest";
import { reportRows, type Report, type RowReport, toMarkdown } from "./report.js";
import { type Row, subjects, type Target } from "./row.js";
import { Samples } from "./samples.js";

const of = { mode: "full", builds: [subjects.ours, "before"] } as const;

describe("a target", () => {
  test("is met by the median of the rounds, each divided by the same round of the other", () => {
    const rounds = { [subjects.ours]: [[2], [9], [4]], [subjects.echo]: [[1], [3], [2]] };
    const [met] = report(rounds, { over: subjects.echo, atMost: 2 }).targets;
    expect(met).toMatchObject({ found: { median: 2, min: 2, max: 3 }, isMet: true });
    const [missed] = report(rounds, { over: subjects.echo, atLeast: 2.1 }).targets;
    expect(missed).toMatchObject({ isMet: false, target: "≥ 2.1x gRPC echo" });
  });

  test("may be of a figure itself, of another statistic and of another subject", () => {
    const rounds = { [subjects.ours]: [[1, 50]], other: [[7, 8]] };
    const [figure] = report(rounds, { statistic: "p99", atMost: 49 }).targets;
    expect(figure).toMatchObject({ found: { median: 50 }, isMet: false, target: "p99 ≤ 49 ms" });
    const [other] = report(rounds, { of: "other", atMost: 7 }).targets;
    expect(other).toMatchObject({ found: { median: 7 }, isMet: true, target: "other ≤ 7 ms" });
  });

  test("is not met by what is not installed, which is no failure", () => {
    const { targets, unmeasured } = report(
      { [subjects.ours]: [[1]] },
      { over: "rival", atMost: 9 },
    );
    expect(targets).toMatchObject([{ isMet: false }]);
    expect(targets[0]).not.toHaveProperty("found");
    expect(unmeasured).toBeUndefined();
  });

  test("of another mode is left out", () => {
    const rounds = { [subjects.ours]: [[1]] };
    expect(report(rounds, { of: "large", atMost: 1, modes: ["quick"] }).targets).toEqual([]);
  });
});

describe("a row", () => {
  test("that was not measured says why, and what there is of it is kept", () => {
    expect(report({ [subjects.echo]: [[1]] }, { atMost: 1 })).toMatchObject({
      unmeasured: "there are no figures of peerline",
      figures: { [subjects.echo]: { p50: 1 } },
      targets: [],
    });
    const [failed] = reportRows(group({ atMost: 1 }), new Samples(), { ...of, failure: "no disk" });
    expect(failed).toMatchObject({ unmeasured: "no disk" });
  });

  test("has another build's rounds beside its own", () => {
    const rounds = { [subjects.ours]: [[3], [4]], before: [[6], [5]] };
    expect(report(rounds, { atMost: 1 }).builds).toEqual({
      before: { median: 0.65, min: 0.5, max: 0.8 },
    });
  });
});

test("the page says what is met, what is missed, and what could not be measured", () => {
  const rounds = { [subjects.ours]: [[2]], [subjects.echo]: [[1]] };
  const rows = [
    report(rounds, { over: subjects.echo, atMost: 3 }),
    report(rounds, { over: subjects.echo, atMost: 0.01 }),
    report({}, { atMost: 3 }),
  ];
  const page = toMarkdown(pageOf(rows)).split("\n");
  expect(page).toContain("| `row` | a row | ≤ 3x gRPC echo | 2.00x (2.00–2.00) | met |");
  expect(page).toContain("| `row` | a row | ≤ 1/100x gRPC echo | 2.00x (2.00–2.00) | MISSED |");
  expect(page).toContain("NOT MEASURED: `row`: there are no figures of peerline");
  expect(page).toContain("Not installed: rival on bun.");
});

function group(target: Target) {
  const row: Row = { id: "row", title: "a row", unit: "ms", how: "So.", targets: [target] };
  return { name: "rows", rows: [row], measure: () => Promise.resolve() };
}

function report(rounds: Record<string, number[][]>, target: Target): RowReport {
  const samples = new Samples();
  for (const [subject, values] of Object.entries(rounds)) {
    for (const [round, of] of values.entries()) samples.add("row", subject, round, of);
  }
  const [row] = reportRows(group(target), samples, of);
  if (row === undefined) throw new Error("no row");
  return row;
}

function pageOf(rows: readonly RowReport[]): Report {
  return {
    date: "2026-01-01 00:00",
    mode: "full",
    machine: {
      cpu: "a processor",
      cores: 2,
      memoryGiB: 4,
      system: "Linux 6",
      node: "v20.19.0",
      load: [0, 1],
    },
    builds: [subjects.ours],
    rivalsNotInstalled: ["rival on bun"],
    notes: [],
    rows,
  };
}
