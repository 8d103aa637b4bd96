import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lastStart } from "../../src/cli/doctor/check-broker-log.js";
import { openHome, type Home } from "../../src/endpoint/home.js";
import { startBroker } from "../../src/endpoint/start-broker.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

const noFiles = obstacles.filter(([what]) => !what.startsWith("a file"));
const never = new AbortController().signal;

test.each(["listening", "held"] as const)("hears that it is %s", async (state) => {
  const { home, program } = newProgram(`process.send({ state: "${state}" })`);
  expect(await startBroker({ home, program, environment: {}, signal: never })).toBe(state);
});

test("fails with the broker's own reason", async () => {
  const report = { state: "failed", code: "STORE_NEWER", message: "Update this one." };
  const { home, program } = newProgram(`process.send(${JSON.stringify(report)})`);
  await expect(
    startBroker({ home, program, environment: {}, signal: never }),
  ).rejects.toMatchObject({ code: "STORE_NEWER", message: "Update this one." });
});

test("fails when the process ends without a word, and what it wrote last is in the log", async () => {
  const { home, program } = newProgram(`console.error("out of luck"); process.exit(7)`);
  await expect(
    startBroker({ home, program, environment: {}, signal: never }),
  ).rejects.toMatchObject({
    code: "BROKER_START_FAILED",
    message: expect.stringContaining("exit code 7"),
  });
  expect(readFileSync(home.logPath, "utf8")).toBe("out of luck\n");
});

test("fails when there is no such program", async () => {
  const { home, program } = newProgram("");
  const missing = `${program}.missing`;
  await expect(
    startBroker({ home, program: missing, environment: {}, signal: never }),
  ).rejects.toMatchObject({ code: "BROKER_START_FAILED" });
});

test("a program that is gone is told in the log, for doctor too, and not again", async () => {
  const { home, program } = newProgram("");
  const missing = `${program}.missing`;
  for (let attempt = 1; attempt <= 3; attempt++) {
    const started = startBroker({ home, program: missing, environment: {}, signal: never });
    await expect(started).rejects.toThrow(`${missing} is gone`);
  }
  expect(readFileSync(home.logPath, "utf8").trim().split("\n")).toHaveLength(1);
  expect(lastStart(home.path)).toMatchObject({
    outcome: "did not start",
    message: expect.stringContaining(`${missing} is gone`),
  });
});

test.each(noFiles)("%s in the place of the log is refused by its name", async (_, put) => {
  const { home, program } = newProgram(`process.send({ state: "listening" })`);
  obstruct(home.logPath, put);
  const refusal = { code: "HOME_UNUSABLE", message: expect.stringContaining(home.logPath) };
  const start = { home, environment: {}, signal: never };
  await expect(startBroker({ ...start, program })).rejects.toMatchObject(refusal);
  // Nor does the note of a program that is gone wait for the log.
  const missing = `${program}.missing`;
  const started = startBroker({ ...start, program: missing });
  await expect(started).rejects.toThrow(`${missing} is gone`);
});

test("runs it in the home, detached, with the environment given and no other", async () => {
  const { home, program } = newProgram(`
    const { execFileSync } = await import("node:child_process");
    const { writeFileSync } = await import("node:fs");
    const group = Number(execFileSync("/bin/ps", ["-o", "pgid=", "-p", String(process.pid)]));
    const { argv, env, pid } = process;
    const seen = { args: argv.slice(2), cwd: process.cwd(), env, pid, group };
    writeFileSync("seen.json", JSON.stringify(seen));
    process.send({ state: "listening" });
  `);
  await startBroker({ home, program, environment: { LANG: "C" }, signal: never });
  const seen = JSON.parse(readFileSync(join(home.path, "seen.json"), "utf8"));
  expect(seen).toMatchObject({ args: ["broker"], cwd: home.path, group: seen.pid });
  expect(Object.keys(seen.env).filter((name) => !name.startsWith("NODE_CHANNEL_"))).toEqual([
    "LANG",
    "PEERLINE_HOME",
  ]);
  expect(seen.env.PEERLINE_HOME).toBe(home.path);
});

test("an abort ends the wait, not the broker", async () => {
  const { home, program } = newProgram(`
    const { writeFileSync } = await import("node:fs");
    writeFileSync("pid", String(process.pid));
    process.on("disconnect", () => {
      writeFileSync("outlived", "");
      process.exit(0);
    });
  `);
  const controller = new AbortController();
  const { signal } = controller;
  const started = startBroker({ home, program, environment: {}, signal });
  started.catch(() => {});
  await expect.poll(() => contentsOf(home, "pid")).toBeDefined();
  controller.abort(new Error("enough"));
  await expect(started).rejects.toThrow("enough");
  await expect.poll(() => contentsOf(home, "outlived")).toBeDefined();
});

/** A home, and a program that stands for a broker. It must end by itself. */
function newProgram(source: string): { home: Home; program: string } {
  const directory = temporaryDirectory();
  const program = join(directory, "program.mjs");
  writeFileSync(program, source);
  return { home: openHome(join(directory, "home")), program };
}

function contentsOf(home: Home, file: string): string | undefined {
  try {
    return readFileSync(join(home.path, file), "utf8");
  } catch {
    return undefined;
  }
}
