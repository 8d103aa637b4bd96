import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

const root = join(import.meta.dirname, "../..");
const hostFile = "test/e2e/hosts/exchange.test.ts";
const mustPass = { all: 3, realHosts: { count: 2, files: ["test/e2e/hosts/"] } };

test("a run in which enough passed is good, and is counted in the last line", () => {
  const verdict = judge({ "test/rpc/a.test.ts": ["passed", "skipped"], [hostFile]: passed(2) });
  expect(verdict).toEqual({ code: 0, lines: ["3 passed, 0 failed, 1 skipped"] });
});

test("a run in which too few passed is bad, whatever else was skipped", () => {
  const verdict = judge({ "test/rpc/a.test.ts": ["skipped"], [hostFile]: passed(2) });
  expect(verdict).toEqual({
    code: 1,
    lines: ["Too little was tested: 2 tests passed, and 3 must.", "2 passed, 0 failed, 1 skipped"],
  });
});

test("a run that skipped the real hosts is bad", () => {
  const files = { "test/rpc/a.test.ts": passed(9), [hostFile]: ["skipped", "passed"] };
  const { code, lines } = judge(files);
  expect(code).toBe(1);
  expect(lines[0]).toMatch(/^Too little was tested: 1 tests with the real hosts in \/hosts passed/);
  expect(lines.at(-1)).toBe("10 passed, 0 failed, 1 skipped");
});

test("a run in which the real hosts could not be installed is bad, and says so", () => {
  const files = { "test/rpc/a.test.ts": passed(9), [hostFile]: ["skipped"] };
  expect(judge(files, "")).toEqual({
    code: 1,
    lines: [
      "Too little was tested: 0 tests with the real hosts, which could not be installed, passed, and 2 must.",
      "9 passed, 0 failed, 1 skipped",
    ],
  });
});

test("what must pass is asked of tests that there are", () => {
  const { realHosts } = JSON.parse(
    readFileSync(join(root, ".ci/must-pass.json"), "utf8"),
  ) as typeof mustPass;
  for (const path of realHosts.files) expect(existsSync(join(root, path)), path).toBe(true);
});

function passed(count: number): string[] {
  return Array.from({ length: count }, () => "passed");
}

/** What CI would say of these tests, by the files that they are in. */
function judge(
  files: Record<string, string[]>,
  hosts = "/hosts",
): { code: number | null; lines: string[] } {
  const statuses = Object.values(files).flat();
  const count = (wanted: string): number => statuses.filter((status) => status === wanted).length;
  const report = {
    numPassedTests: count("passed"),
    numFailedTests: count("failed"),
    numPendingTests: count("skipped"),
    numTodoTests: 0,
    testResults: Object.entries(files).map(([name, states]) => ({
      name: join(root, name),
      assertionResults: states.map((status) => ({ status })),
    })),
  };
  const folder = temporaryDirectory();
  const paths = [join(folder, "report"), join(folder, "must-pass")] as const;
  writeFileSync(paths[0], JSON.stringify(report));
  writeFileSync(paths[1], JSON.stringify(mustPass));
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, ".ci/verdict.mjs"), ...paths],
    { encoding: "utf8", env: { PEERLINE_HOSTS: hosts } },
  );
  return { code: status, lines: stdout.trim().split("\n") };
}
