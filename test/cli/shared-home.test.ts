import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { program, run } from "../support/program.js";
import { cannotSeparate, separated } from "../support/pid-namespace.js";

if (cannotSeparate !== undefined) console.warn(`skipped: shared homes, because ${cannotSeparate}`);

test.skipIf(cannotSeparate !== undefined)(
  "the process of a broker in another container is named as that, and waited for by its lock",
  async () => {
    const home = newHome();
    const broker = await startBroker(home, "elsewhere");
    const status = await peerline(home, "status");
    expect(status.stdout).toMatch(/running.*, pid 1 in another container, up/);
    const { process: told } = JSON.parse((await peerline(home, "status", "--json")).stdout) as {
      process: object;
    };
    expect(told).toEqual({ pid: 1, place: "elsewhere" });
    expect(await findingsOf(home)).toContainEqual(
      expect.objectContaining({
        id: "broker",
        seen: expect.stringContaining("in another container"),
      }),
    );
    // Process 1 of here runs on: it is a stranger.
    expect(await peerline(home, "stop")).toEqual({
      code: 0,
      stdout: "Stopped the broker (pid 1 in another container).\n",
      stderr: "",
    });
    if (broker.exitCode === null) await once(broker, "exit");
    expect(broker.exitCode).toBe(0);
  },
);

test.skipIf(cannotSeparate !== undefined)(
  "nobody is told to kill a process by the number that it has in another container",
  async () => {
    const home = newHome();
    const broker = await startBroker(home, "here");
    broker.kill("SIGSTOP");
    onTestFinished(() => void broker.kill("SIGCONT"));
    const inside = await findingsOf(home, separated);
    expect(inside.find(({ id }) => id === "broker-silent")?.fix).toMatch(
      new RegExp(`^End process ${broker.pid} in the container that it runs in`),
    );
    const outside = await findingsOf(home);
    expect(outside.find(({ id }) => id === "broker-silent")).toMatchObject({
      fix: `kill -KILL ${broker.pid}`,
    });
  },
);

test("a process that holds the lock and serves nobody is named, and ended as the doctor says", async () => {
  const home = newHome();
  expect((await peerline(home, "read")).code).toBe(0);
  expect((await peerline(home, "stop")).code).toBe(0);
  const holder = spawn(process.execPath, ["-e", holderProgram, join(home, "lock.db")], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  const found = (await findingsOf(home)).find(({ id }) => id === "lock-held");
  // Where the system shows no locks, only the broker itself could say who it is.
  const isShown = existsSync("/proc/locks");
  expect(found).toMatchObject({
    severity: "problem",
    fix: isShown ? `kill -KILL ${holder.pid}` : expect.stringContaining("End the broker"),
  });
  if (isShown) expect((await run("/bin/sh", ["-c", found?.commands?.[0] ?? ""], {})).code).toBe(0);
  else holder.kill("SIGKILL");
  await expect
    .poll(async () => (await findingsOf(home)).filter(({ id }) => id === "lock-held"))
    .toEqual([]);
  expect((await peerline(home, "read")).code).toBe(0);
});

test("a broker that was killed leaves its number, which nobody takes for it", async () => {
  const home = newHome();
  const broker = await startBroker(home, "here");
  broker.kill("SIGKILL");
  await once(broker, "exit");
  expect(readFileSync(join(home, "broker.pid"), "utf8")).toMatch(new RegExp(`^${broker.pid}\\b`));
  expect((await findingsOf(home)).filter(({ id }) => id === "lock-held")).toEqual([]);
  expect((await peerline(home, "read")).code).toBe(0);
});

const holderProgram = `
  const Database = require("libsql");
  new Database(process.argv[1]).exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  console.log("held");
  setInterval(() => {}, 1000);
`;

async function startBroker(home: string, where: "here" | "elsewhere") {
  const words = [process.execPath, program, "broker"];
  const [command = "", ...args] = where === "here" ? words : separated(...words);
  const broker = spawn(command, args, {
    env: environment(home),
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void broker.kill("SIGKILL"));
  const [line] = (await once(broker.stderr, "data")) as [Buffer];
  expect(line.toString()).toContain(" serves ");
  return broker;
}

/** What the doctor finds, from a shell of here or from another container. */
async function findingsOf(home: string, through = (...words: readonly string[]) => [...words]) {
  const [command = "", ...args] = through(process.execPath, program, "doctor", "--json");
  const { stdout } = await run(command, args, environment(home));
  return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
}

function peerline(home: string, ...args: string[]) {
  return run(process.execPath, [program, ...args], environment(home));
}

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(async () => {
    await peerline(home, "stop");
    rmSync(home, { recursive: true, force: true });
  });
  return home;
}

function environment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: home };
}
