import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { program, run } from "../support/program.js";
import { compilePreload } from "./preload.js";

const folder = mkdtempSync(join(tmpdir(), "pl-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const preload = compilePreload("refuse-calls", folder);
const impossible = "impossible" in preload ? preload.impossible : undefined;
if (impossible !== undefined) console.warn(`skipped: refused calls, because ${impossible}`);

test.skipIf(impossible !== undefined).each([
  ["ENOLCK, as NFS does", 37],
  ["ENOSYS, as a file system of a program may", 38],
  ["ENOTSUP", 95],
])("a broker says so where locks are refused: %s", async (_what, errno) => {
  const home = await newHome();
  const refusing = { ...home.environment, ...preloaded({ FAULT_LOCK_ERRNO: errno }) };
  const { code, stderr } = await run(process.execPath, [program, "broker"], refusing);
  expect(code).toBe(brokerExit.failed);
  expect(stderr).toMatch(/^The file system of \S+ \(\S+\) refuses locks.*PEERLINE_HOME/);
  expect(readdirSync(home.path).filter((name) => name.includes("probe"))).toEqual([]);
});

test("a broker that is held off by another still says that one serves", async () => {
  const home = await newHome();
  expect((await home.peerline("read")).code).toBe(0);
  const { code, stderr } = await home.peerline("broker");
  expect([code, stderr]).toEqual([0, `A broker already serves ${home.path}.\n`]);
});

test.skipIf(impossible !== undefined).each([
  ["EPERM, as SMB and virtiofs do", 1],
  ["ENOTSUP", 95],
])("all works where hard links are refused: %s", async (_what, errno) => {
  const home = await newHome(preloaded({ FAULT_LINK_ERRNO: errno }));
  const broker = spawn(process.execPath, [program, "broker"], {
    env: home.environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void broker.kill("SIGKILL"));
  const [line] = (await once(broker.stderr, "data")) as [Buffer];
  expect(line.toString()).toContain(" serves ");
  // Of those that come at once one makes the secret, and all are the person of it. One may take over from another.
  const ended = await Promise.all(Array.from({ length: 5 }, () => home.peerline("read")));
  for (const { code, stderr } of ended) {
    if (code === 0) expect(stderr).toBe("");
    else expect([code, stderr]).toEqual([4, expect.stringContaining("read` took over")]);
  }
  expect(ended.some(({ code }) => code === 0)).toBe(true);
  const { stdout } = await home.peerline("peers", "--json");
  expect((JSON.parse(stdout) as { peers: unknown[] }).peers).toHaveLength(1);

  expect(await home.peerline("install", "claude")).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(join(home.path, ".claude.json"), "utf8")).toContain("peerline.js");
  const names = readdirSync(home.path, { recursive: true, encoding: "utf8" });
  expect(names.filter((name) => name.endsWith(".new"))).toEqual([]);
});

test.skipIf(impossible !== undefined)(
  "the doctor looks for both, and leaves nothing behind",
  async () => {
    const home = await newHome(preloaded({ FAULT_LOCK_ERRNO: 37, FAULT_LINK_ERRNO: 1 }));
    const { stdout } = await home.peerline("doctor", "--json");
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    expect(findings).toContainEqual(
      expect.objectContaining({
        id: "locks-refused",
        severity: "problem",
        fix: expect.stringContaining("PEERLINE_HOME"),
      }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ id: "links-refused", severity: "note" }),
    );
    expect(readdirSync(home.path)).toEqual([]);
  },
);

function preloaded(faults: Readonly<Record<string, number>>): Record<string, string> {
  const path = "path" in preload ? preload.path : "";
  const given = Object.entries(faults).map(([name, errno]) => [name, String(errno)]);
  return { LD_PRELOAD: path, ...Object.fromEntries(given) };
}

/** A user's home that is Peerline's too. Its broker ends with the test. */
async function newHome(faults: Readonly<Record<string, string>> = {}) {
  const path = await mkdtemp(join(tmpdir(), "pl-"));
  const plain = { PATH: process.env["PATH"], HOME: path, PEERLINE_HOME: path };
  const environment = { ...plain, ...faults };
  onTestFinished(async () => {
    await run(process.execPath, [program, "stop"], plain);
    await rm(path, { recursive: true, force: true });
  });
  const peerline = (...args: string[]) => run(process.execPath, [program, ...args], environment);
  return { path, environment, peerline };
}
