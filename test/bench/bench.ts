import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type as systemName } from "node:os";
import { join, resolve } from "node:path";
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { Bench } from "./bench-run.js";
import { drawGrowth, drawLatencies } from "./draw.js";
import { findBuilds } from "./build.js";
import { countsOf, type Mode } from "./limits.js";
import { isInstalled, readMailbox, rivals as knownRivals } from "./mailbox.js";
import { type Report, reportRows, type RowReport, toMarkdown } from "./report.js";
import type { RowGroup } from "./row.js";
import { groups } from "./rows/all-groups.js";

const usage = `npm run bench -- [OPTIONS]

Measures the built product beside the least that could do the same (the floor) and beside what users would
take instead (a rival). They take turns in rounds, so that compare the ratios and not the times.
The page goes to standard output, what is under way to standard error.

  --quick          some 2 minutes instead of some 15, on a machine that is free; 3 more each where PEERLINE_NATS
                   names a folder with NATS servers
  --trial          a few calls of each: whether it can be measured; the figures mean nothing
  --only ROWS      only these rows, by id, by the words of an id before a dot, or by group; commas between
  --list           prints the rows and measures nothing
  --json FILE      writes all figures, too
  --svg FOLDER     draws latency.svg and growth.svg, each where a row of it was measured
  --dist FOLDER    a second build that is measured in turns with this one, such as a copy of an earlier dist
                   in this checkout; may be repeated. The page then has this build divided by that, too
  --node PATH      the Node that runs all that is measured; default: the one that runs this
  --stores FOLDER  keeps the filled stores there, and takes those that are there instead of filling others
  --rival FILE     a rival, described as JSON as in test/bench/mailbox.ts; may be repeated
  --help           prints this

Exit codes: 0, also where a target is missed; 1 where a row could not be measured, which it names; 2 for
arguments that it cannot use.
`;

const { values } = readArguments();
const controller = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => controller.abort(new Error(`ended by ${name}`)));
}
const mode: Mode = values.trial ? "trial" : values.quick ? "quick" : "full";
if (values.help) console.log(usage);
else process.exitCode = values.list ? list() : await run();

/** What is to be measured; undefined, and told, where it cannot be. */
function prepare() {
  try {
    const chosen = choose(values.only);
    if (chosen.length === 0) throw new Error(`no row is named ${values.only}: see --list`);
    const rivals = [...knownRivals, ...values.rival.map(readMailbox)];
    const builds = findBuilds(join(import.meta.dirname, "../../../dist"), values.dist);
    const node = resolve(values.node);
    return { chosen, rivals, builds, node, version: versionOf(node) };
  } catch (error) {
    console.error((error as Error).message);
    return undefined;
  }
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        trial: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        only: { type: "string" },
        json: { type: "string" },
        svg: { type: "string" },
        dist: { type: "string", multiple: true, default: [] },
        node: { type: "string", default: process.execPath },
        stores: { type: "string" },
        rival: { type: "string", multiple: true, default: [] },
      },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

function list(): number {
  for (const { name, rows } of groups) {
    for (const { id, title } of rows) console.log(`${id.padEnd(24)} ${title} (${name})`);
  }
  return 0;
}

async function run(): Promise<number> {
  const prepared = prepare();
  if (prepared === undefined) return 2;
  const { chosen, rivals, builds, node, version } = prepared;
  const bench = new Bench({
    counts: countsOf[mode],
    builds,
    rivals: rivals.filter(isInstalled),
    node,
    wanted: chosen.flatMap(({ rows }) => rows.map(({ id }) => id)),
    stores: values.stores === undefined ? undefined : resolve(values.stores),
    signal: controller.signal,
    tell: (words) => console.error(words),
  });
  const loadBefore = loadNow();
  const rows: RowReport[] = [];
  for (const group of chosen) {
    const missing = group.missing?.();
    if (missing === undefined) rows.push(...(await measure(group, bench)));
    else bench.notes.push(`the rows of ${group.name} were skipped: ${missing}.`);
  }
  const report: Report = {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    mode,
    machine: describeMachine(version, loadBefore),
    builds: builds.map(({ label }) => label),
    rivalsNotInstalled: rivals.filter((rival) => !isInstalled(rival)).map(({ name }) => name),
    notes: bench.notes,
    rows,
  };
  console.log(toMarkdown(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
  if (values.svg !== undefined) draw(report, values.svg);
  return rows.some(({ unmeasured }) => unmeasured !== undefined) ? 1 : 0;
}

function draw(report: Report, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const latencies = ["send", "delivery", "exchange", "tool.send_message"];
  const grown = groups.find(({ name }) => name === "growth")?.rows.map(({ id }) => id) ?? [];
  const isMeasured = (ids: readonly string[]) => report.rows.some(({ id }) => ids.includes(id));
  if (isMeasured(latencies)) {
    writeFileSync(join(folder, "latency.svg"), drawLatencies(report, latencies));
  }
  if (isMeasured(grown)) writeFileSync(join(folder, "growth.svg"), drawGrowth(report, grown));
}

/** The groups that have a row that is asked for, with those rows. */
function choose(only: string | undefined): RowGroup[] {
  if (only === undefined) return [...groups];
  const words = only.split(",").filter((word) => word !== "");
  return groups.flatMap((group) => {
    const rows = group.rows.filter(({ id }) =>
      words.some((word) => id === word || id.startsWith(`${word}.`) || group.name === word),
    );
    return rows.length === 0 ? [] : [{ ...group, rows }];
  });
}

async function measure(group: RowGroup, bench: Bench): Promise<RowReport[]> {
  const labels = bench.builds.map(({ label }) => label);
  const beginMs = performance.now();
  let failure: string | undefined;
  try {
    bench.tell(`${group.name} …`);
    await group.measure(bench);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    if (!controller.signal.aborted) console.error(error);
  }
  console.error(`${group.name}: ${((performance.now() - beginMs) / 1000).toFixed(1)} s`);
  return reportRows(group, bench.samples, { mode, builds: labels, failure });
}

function describeMachine(version: string, loadBefore: number): Report["machine"] {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${systemName()} ${release()}`,
    node: version,
    load: [loadBefore, loadNow()],
  };
}

function versionOf(node: string): string {
  return execFileSync(node, ["--version"]).toString().trim();
}

function loadNow(): number {
  return loadavg()[0] ?? 0;
}
