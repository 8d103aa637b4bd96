import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExitCode } from "../../src/cli/failure.js";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { program, run } from "../support/program.js";

let folder: string;
let home: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pl-"));
  home = join(folder, "h".repeat(100));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each([
  [["status"], ExitCode.noBroker],
  [["peers"], ExitCode.failure],
  [["log"], ExitCode.failure],
  [["log", "--follow"], ExitCode.failure],
  [["show", "12345678"], ExitCode.failure],
  [["stop"], ExitCode.failure],
  [["dead-letters"], ExitCode.failure],
  [["forget", "x", "--yes"], ExitCode.failure],
  [["mute", "x"], ExitCode.failure],
  [["send", "api", "hi"], ExitCode.failure],
  [["read"], ExitCode.failure],
  [["broker"], brokerExit.failed],
])(
  "%j says that the home's path is too long for a socket, and makes nothing",
  async (args, code) => {
    const ended = await runIn(args);
    const said = `${ended.stdout}${ended.stderr}`;
    expect(said).toMatch(/The socket's path has \d+ bytes and may have 103.*shorter path/s);
    expect(said).not.toContain("is not running");
    expect(ended.code).toBe(code);
    expect(existsSync(home)).toBe(false);
  },
);

test("status says it as JSON too", async () => {
  const { code, stdout } = await runIn(["status", "--json"]);
  expect(code).toBe(ExitCode.noBroker);
  expect(JSON.parse(stdout)).toMatchObject({
    running: false,
    problem: expect.stringContaining("Set PEERLINE_HOME to a shorter path."),
  });
});

test("an agent is told it with each call", async () => {
  await using raw = new RawAgent(home);
  raw.write(initialize, initialized, toolCall(2, "list_peers"));
  const { result } = await raw.answer(2);
  expect(result).toMatchObject({ isError: true });
  expect(result.content[0].text).toContain("Set PEERLINE_HOME to a shorter path.");
  expect(existsSync(home)).toBe(false);
});

function runIn(args: readonly string[]) {
  const env = { PATH: process.env["PATH"], HOME: folder, PEERLINE_HOME: home };
  return run(process.execPath, [program, ...args], env);
}
