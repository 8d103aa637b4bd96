import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Terminal } from "./terminal.js";

const commands = [
  "status",
  "peers",
  "doctor",
  "send",
  "read",
  "log",
  "show",
  "forget",
  "stop",
  "share",
  "join",
  "leave",
  "machines",
  "install",
  "uninstall",
  "demo",
  "mcp",
  "broker",
];

test("help lists every command and starts nothing", async () => {
  await using terminal = await Terminal.open();
  const { code, stdout } = await terminal.run("--help");
  expect(code).toBe(0);
  for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  const [, own = ""] = stdout.split("Environment:");
  expect(own.split("\n").filter((line) => line.length > 80)).toEqual([]);
  expect(await terminal.brokerPid()).toBeUndefined();
});

test.each(["list", "revoke"])("machines %s --help shows an example", async (command) => {
  await using terminal = await Terminal.open();
  const { code, stdout } = await terminal.run("machines", command, "--help");
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Example:\n +peerline machines/m)]);
});

test("share --help shows defaults as they are written: a time with its unit, and a scope by its word", async () => {
  await using terminal = await Terminal.open();
  const { stdout } = await terminal.run("share", "--help");
  const defaults = [...stdout.replaceAll(/\s+/g, " ").matchAll(/\(default: ([^)]*)\)/g)];
  expect(defaults.map(([, value]) => value)).toEqual(["1", "15m", "agent"]);
});

test.each(commands)("%s --help shows an example", async (command) => {
  await using terminal = await Terminal.open();
  const { code, stdout } = await terminal.run(command, "--help");
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^Examples?\b.*:\n +\S/m)]);
  expect((await terminal.run("help", command)).stdout).toBe(stdout);
});

test("the version is the package's", async () => {
  await using terminal = await Terminal.open();
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { stdout } = await terminal.run("--version");
  expect(stdout).toBe(`${(JSON.parse(manifest) as { version: string }).version}\n`);
});

test.each([
  [["sned", "api", "hi"], "Did you mean send?"],
  [["send", "api"], "missing required argument 'text'"],
  [["send", "api", "hi", "--urgency", "panic"], "Allowed choices are fyi, normal, interrupt"],
  [["send", "api", "hi", "--expires-in", "soon"], "write 45s, 10m, 2h or 1d"],
  [["send", "api,,web", "hi"], "names no recipient"],
  [["send", "api", ""], "The text is empty"],
  [["log", "-n", "many"], "no count of messages"],
  [["log", "--since", "yesterday"], "write 10m, 2h or 1d for so long ago, 14:30, 2026-11-27"],
  [["log", "--grep", "("], "--grep: "],
  [["send", "api", "hi", "there"], "`peerline send api 'hi there'`"],
  [["send", "api", "-1 is it"], "goes after --"],
  [["send", "api", "hi", "--reply-too", "x"], "Did you mean --reply-to?"],
  [["send", "api", "hi", "--expires-in", "5"], "write 45s, 10m, 2h or 1d"],
  [["share", "--off", "--uses", "3"], "--off goes without --uses"],
  [["share", "--status", "--scope", "observe"], "--status goes without --scope"],
  [["share", "--off", "--status"], "--off goes without --status"],
])("%j is refused with the fix, before any broker is started", async (args, fix) => {
  await using terminal = await Terminal.open();
  const { code, stdout, stderr } = await terminal.run(...args);
  expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(fix)]);
  expect(stderr).toMatch(/^peerline: /);
  expect(await terminal.brokerPid()).toBeUndefined();
});

test.each(["status", "peers", "log", "show 12345678", "stop"])(
  "%s starts no broker and says so",
  async (command) => {
    await using terminal = await Terminal.open();
    const { code, stdout, stderr } = await terminal.run(...command.split(" "));
    expect([code, stdout + stderr]).toEqual([3, expect.stringContaining("is not running")]);
    expect((await terminal.run("status", "--json")).code).toBe(3);
  },
);

test.each(["status", "peers", "log", "show 12345678", "stop", "dead-letters list"])(
  "%s makes no home where there is none",
  async (command) => {
    await using terminal = await Terminal.open();
    const home = join(terminal.home, "none");
    const env = { ...terminal.environment, PEERLINE_HOME: home };
    const { code, stdout, stderr } = await terminal.start(command.split(" "), "", env).ended;
    expect([code, stdout + stderr]).toEqual([3, expect.stringContaining("is not running")]);
    expect(existsSync(home)).toBe(false);
  },
);

test("nor beside a broker that runs elsewhere", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const home = join(terminal.home, "none");
  const broker = {
    PEERLINE_HOME: home,
    PEERLINE_BROKER: `unix:${join(terminal.home, "broker.sock")}`,
  };
  for (const command of ["status", "peers", "stop"]) {
    const { code, stderr } = await terminal.start([command], "", {
      ...terminal.environment,
      ...broker,
    }).ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining("set PEERLINE_HOME")]);
    expect(existsSync(home)).toBe(false);
  }
});

test("a bad setting is one sentence that names it", async () => {
  await using terminal = await Terminal.open();
  const env = { ...terminal.environment, PEERLINE_HOME: "relative" };
  for (const command of ["status", "mcp"]) {
    const { code, stderr } = await terminal.start([command], "", env).ended;
    // The server says it in answers too, and ends when its host is gone.
    expect([code, stderr]).toEqual([
      command === "mcp" ? 0 : 1,
      expect.stringMatching(/^peerline: PEERLINE_HOME=relative .*\n$/),
    ]);
  }
});

test("an older Node is told in one sentence, before anything is loaded that needs a newer one", async () => {
  await using terminal = await Terminal.open();
  const pretend = `Object.defineProperty(process, "versions", { value: { node: "20.18.3" } })`;
  const env = {
    ...terminal.environment,
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(pretend)}`,
  };
  const { code, stdout, stderr } = await terminal.start(["--version"], "", env).ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^peerline needs Node 20\.19 or newer; this is .*\n$/);
});
