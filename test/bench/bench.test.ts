import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { isNatsMissing } from "../support/nats-programs.js";
import { cannotRead } from "../support/process-reading.js";
import { run } from "../support/program.js";
import type { Report } from "./report.js";

const root = join(import.meta.dirname, "../..");
// In short, only some rows; all of them on request.
const short = isNatsMissing() ? "send,hook" : "send,hook,engines";
const only = process.env["PEERLINE_BENCH_ROWS"] ?? short;

beforeAll(async () => {
  const rolldown = join(root, "node_modules/rolldown/bin/cli.mjs");
  const config = join(import.meta.dirname, "rolldown.config.ts");
  await promisify(execFile)(process.execPath, [rolldown, "-c", config], { cwd: root });
});

test.skipIf(cannotRead !== undefined)(
  `measures the rows ${only}, and tells them as a page and as JSON ${cannotRead ?? ""}`,
  async () => {
    const json = join(await temporaryFolder(), "bench.json");
    const { code, stdout, stderr } = await bench("--only", only, "--json", json);
    expect(code, stderr).toBe(0);

    const { mode, rows } = JSON.parse(await readFile(json, "utf8")) as Report;
    expect(mode).toBe("trial");
    expect(rows.length).toBeGreaterThan(0);
    for (const { id, unmeasured, targets, figures } of rows) {
      expect(unmeasured, id).toBeUndefined();
      expect(stdout).toContain(`\`${id}\``);
      for (const { found } of targets) expect(found?.median ?? 1, id).toBeGreaterThan(0);
      for (const { p50, count } of Object.values(figures)) {
        expect(p50, id).toBeGreaterThan(0);
        expect(count, id).toBeGreaterThan(0);
      }
    }
  },
  600_000,
);

test("says how it is used", async () => {
  const { code, stdout, stderr } = await bench("--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("--quick");
});

test("draws no picture of rows that were not measured", async () => {
  const folder = await temporaryFolder();
  const { code, stderr } = await bench("--only", "hook", "--svg", folder);
  expect(code, stderr).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

test("says in words what it cannot use", async () => {
  const rival = join(await temporaryFolder(), "rival.json");
  await writeFile(rival, JSON.stringify({ name: "a rival" }));
  for (const [args, words] of [
    [["--only", "nothing"], "no row is named nothing"],
    [["--dist", "/nowhere"], "/nowhere/peerline.js is missing"],
    [["--rival", rival], "at command"],
    [["--speed"], "--speed"],
  ] as const) {
    const { code, stdout, stderr } = await bench(...args);
    expect(stderr).toContain(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  }
});

function bench(...args: string[]) {
  const file = join(import.meta.dirname, "build/bench.js");
  return run(process.execPath, [file, "--trial", ...args], process.env);
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pl-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
