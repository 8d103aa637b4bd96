import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { run } from "../support/program.js";
import { cannotRead } from "../support/process-reading.js";
import type { Report } from "./report.js";

const root = join(import.meta.dirname, "../..");
// In short, only some rows; all of them on request.
const only = process.env["PEERLINE_BENCH_ROWS"] ?? "send,hook";

test.skipIf(cannotRead !== undefined)(
  `measures the rows ${only}, and tells them as a page and as JSON ${cannotRead ?? ""}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "pl-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const json = join(folder, "bench.json");
    const rolldown = join(root, "node_modules/rolldown/bin/cli.mjs");
    const config = join(import.meta.dirname, "rolldown.config.ts");
    await promisify(execFile)(process.execPath, [rolldown, "-c", config], { cwd: root });
    const bench = join(import.meta.dirname, "build/bench.js");
    const args = [bench, "--trial", "--only", only, "--json", json];
    const { code, stdout, stderr } = await run(process.execPath, args, process.env);
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
  120_000,
);
