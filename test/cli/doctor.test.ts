import { chmod, mkdir, readFile, symlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { Running } from "../support/program.js";
import { Agent } from "../mcp/agent.js";
import { stampProcess } from "../../src/endpoint/process-stamp.js";
import { DoctorMachine, install } from "./doctor-machine.js";

describe("a machine on which all is well", () => {
  test("has no finding above a note, with a broker and without, and stays as it is", async () => {
    await using machine = await DoctorMachine.make();
    const agents = ["claude", "codex", "gemini", "cursor", "vscode"];
    expect((await machine.peerline("install", ...agents)).code).toBe(0);
    await machine.trustCodexHooks();
    const before = await machine.contents();
    const resting = await machine.findings();
    expect(resting.filter(({ severity }) => !["ok", "note"].includes(severity))).toEqual([]);
    expect(resting.filter(({ id }) => id === "host-configured")).toHaveLength(agents.length);
    expect(resting.filter(({ id }) => id === "entry-answers")).toHaveLength(agents.length);
    expect(await machine.contents()).toEqual(before);

    await machine.startBroker();
    const running = await machine.findings();
    expect(running.filter(({ severity }) => !["ok", "note"].includes(severity))).toEqual([]);
    expect(running.map(({ id }) => id)).toEqual(expect.arrayContaining(["broker", "store"]));
    for (const name of ["operator.token", "person.secret"]) {
      const secret = await readFile(machine.path(".peerline", name), "utf8");
      expect(JSON.stringify(running)).not.toContain(secret.trim());
    }
  });

  test("is not given a home, a broker or anything else", async () => {
    await using machine = await DoctorMachine.make();
    const before = await machine.contents();
    const env = { PEERLINE_HOME: machine.path("none", "yet") };
    expect(await machine.finding("home-missing", env)).toMatchObject({ severity: "note" });
    expect(await machine.contents()).toEqual(before);
  });
});

describe("the home", () => {
  test("that others may enter is named with its chmod", async () => {
    await using machine = await DoctorMachine.make({ ".peerline/broker.log": "" });
    await chmod(machine.path(".peerline"), 0o755);
    expect(await machine.finding("home-open")).toMatchObject({
      severity: "problem",
      subject: machine.path(".peerline"),
      fix: `chmod 700 ${machine.path(".peerline")}`,
    });
  });

  test("whose path is too long for a socket is named with its length", async () => {
    await using machine = await DoctorMachine.make();
    const long = machine.path("x".repeat(100));
    const finding = await machine.finding("home-path-long", { PEERLINE_HOME: long });
    expect(finding.seen).toContain(`${Buffer.byteLength(join(long, "broker.sock"))} bytes`);
    expect(finding.fix).toContain("Set PEERLINE_HOME to a shorter path");
  });

  test("that is a file, lies below one, or is a link to nothing, is named", async () => {
    await using machine = await DoctorMachine.make({ file: "" });
    await symlink("nowhere", machine.path("link"));
    for (const names of [["file"], ["file", "below"], ["link"]]) {
      const home = machine.path(...names);
      expect(await machine.finding("home-unusable", { PEERLINE_HOME: home })).toMatchObject({
        severity: "problem",
        subject: home,
        fix: expect.stringContaining("Set PEERLINE_HOME"),
      });
    }
  });

  test("with a file that others could read is named with its chmod", async () => {
    await using machine = await DoctorMachine.make({ ".peerline/person.secret": "" });
    await chmod(machine.path(".peerline/person.secret"), 0o644);
    expect(await machine.finding("home-files")).toMatchObject({
      severity: "warning",
      subject: machine.path(".peerline/person.secret"),
      fix: `chmod -R go-rwx ${machine.path(".peerline")}`,
    });
  });

  test("that is not an absolute path is named with its variable", async () => {
    await using machine = await DoctorMachine.make();
    expect(await machine.finding("setting-invalid", { PEERLINE_HOME: "~/p" })).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining("PEERLINE_HOME=~/p"),
      fix: "Correct that variable where it is set, or unset it",
    });
  });

  test("that is a link, or not the usual one, is noted", async () => {
    await using machine = await DoctorMachine.make();
    await symlink(".peerline", machine.path("linked"));
    const findings = await machine.findings({ PEERLINE_HOME: machine.path("linked") });
    expect(findings.filter(({ id }) => /^home-(?:link|elsewhere)$/.test(id))).toMatchObject([
      { severity: "note" },
      { severity: "note", seen: expect.stringContaining(machine.path(".peerline")) },
    ]);
  });

  test("with what killed processes left is noted with how to remove it", async () => {
    const left = `.peerline/doorbells/${"a".repeat(8)}`;
    await using machine = await DoctorMachine.make({
      ".peerline/broker.starting": "",
      [`${left}/adapter.pid`]: `${stampOfNobody}\n`,
      ".peerline/doorbells/living/adapter.pid": `${stampProcess()}\n`,
      ".peerline/peers/one.secret": "cut sho",
    });
    const past = new Date(Date.now() - 60_000);
    for (const name of ["broker.starting", "peers/one.secret"]) {
      await utimes(machine.path(".peerline", name), past, past);
    }
    const findings = await machine.findings();
    const of = (name: string) => findings.find(({ id }) => id === name);
    expect(of("start-claim")).toMatchObject({
      severity: "note",
      fix: `rm ${machine.path(".peerline/broker.starting")}`,
    });
    expect(of("doorbells")).toMatchObject({
      severity: "note",
      fix: expect.stringContaining("the next agent removes them"),
    });
    expect(of("secrets")).toMatchObject({
      severity: "warning",
      fix: `mv ${machine.path(".peerline/peers/one.secret")} ${machine.path(".peerline/peers/one.secret.set-aside")}`,
    });
  });
});

/** Of a number that no process has. */
const stampOfNobody = stampProcess().replace(/^\d+/, "999999999");

describe("a named pipe in the home", () => {
  test.each([
    "peerline.db",
    "broker.log",
    "broker.starting",
    "operator.token",
    "person.secret",
    "peers/one.secret",
    "doorbells/one/adapter.pid",
    "doorbells/one/turn",
  ])("in the place of %s is named, and holds nobody up", async (name) => {
    await using machine = await DoctorMachine.make();
    const path = machine.path(".peerline", name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await machine.run("mkfifo", ["-m", "600", path], { PATH: process.env["PATH"] });
    const findings = await machine.findings();
    expect(
      findings.find(({ id, subject }) => id === "home-files" && subject === path),
    ).toMatchObject({ severity: "problem", fix: `rm ${path}` });
  });

  test("in the place of the token for a broker that runs holds nobody up", async () => {
    await using machine = await DoctorMachine.make();
    await machine.startBroker();
    const path = machine.path("other", "operator.token");
    await mkdir(dirname(path), { mode: 0o700 });
    await machine.run("mkfifo", ["-m", "600", path], { PATH: process.env["PATH"] });
    const PEERLINE_BROKER = `unix:${machine.path(".peerline/broker.sock")}`;
    const env = { PEERLINE_HOME: dirname(path), PEERLINE_BROKER };
    expect((await machine.finding("broker-unseen", env)).seen).toContain(path);
  });

  test("behind which somebody waits for mail is where it belongs", async () => {
    await using machine = await DoctorMachine.make({ ".peerline/doorbells/one/turn": "idle\n" });
    await chmod(machine.path(".peerline/doorbells"), 0o700);
    const path = machine.path(".peerline/doorbells/one/waiter");
    await machine.run("mkfifo", ["-m", "600", path], { PATH: process.env["PATH"] });
    const findings = await machine.findings();
    expect(findings.filter(({ subject }) => subject === path)).toEqual([]);
  });
});

describe("this program", () => {
  test("on a search path with an older Node, or none, is named", async () => {
    await using machine = await DoctorMachine.make();
    await machine.program("peerline", "#!/usr/bin/env node\n");
    expect(await machine.finding("program-node")).toMatchObject({
      severity: "problem",
      subject: "PATH",
      fix: expect.stringContaining("Install Node 20.19 or newer"),
    });
    const node = await machine.program("node", "#!/bin/sh\necho v18.20.1\n");
    expect(await machine.finding("program-node")).toMatchObject({
      severity: "problem",
      subject: node,
      seen: expect.stringContaining("v18.20.1"),
    });
  });

  test("that lost its run bit, as by a build, is named with what gives it back", async () => {
    await using machine = await DoctorMachine.make({
      "checkout/dist/peerline.js": "#!/bin/sh\n",
      ".claude/settings.json": `{"enabledPlugins":{"peerline@peerline":true}}`,
    });
    await mkdir(machine.path("bin"));
    await symlink(machine.path("checkout/dist/peerline.js"), machine.path("bin/peerline"));
    const commands = [`chmod 755 ${machine.path("checkout/dist/peerline.js")}`];
    expect(await machine.finding("program-forbidden")).toMatchObject({
      severity: "problem",
      subject: machine.path("bin/peerline"),
      seen: expect.stringContaining("may not be executed"),
      commands,
    });
    const plugin = await machine.finding("plugin-program-missing");
    expect(plugin).toMatchObject({
      seen: expect.stringContaining("may not be executed"),
      commands,
    });
    await chmod(machine.path("checkout/dist/peerline.js"), 0o755);
    expect((await machine.finding("plugin")).severity).toBe("ok");
  });

  test("in a package whose manifest is a named pipe is looked at without waiting", async () => {
    await using machine = await DoctorMachine.make({ "old/dist/peerline.js": "#!/bin/sh\n" });
    const env = { PATH: process.env["PATH"] };
    await machine.run("mkfifo", [machine.path("old/package.json")], env);
    await chmod(machine.path("old/dist/peerline.js"), 0o755);
    await mkdir(machine.path("bin"));
    await symlink(machine.path("old/dist/peerline.js"), machine.path("bin/peerline"));
    expect((await machine.finding("program-path")).seen).toContain("of unknown version");
  });

  test("beside another version of it on the search path is named", async () => {
    await using machine = await DoctorMachine.make({
      "old/package.json": `{"name":"peerline","version":"0.0.1"}`,
      "old/dist/peerline.js": "#!/bin/sh\n",
    });
    await chmod(machine.path("old/dist/peerline.js"), 0o755);
    await mkdir(machine.path("bin"));
    await symlink(machine.path("old/dist/peerline.js"), machine.path("bin/peerline"));
    expect(await machine.finding("program-path")).toMatchObject({
      severity: "warning",
      subject: machine.path("bin/peerline"),
      seen: expect.stringContaining("(0.0.1)"),
      fix: expect.stringMatching(/^npm install --global /),
    });
  });
});

describe.skipIf(process.platform !== "linux")("agents (by /proc, as on Linux alone)", () => {
  test("that use another home than is set here are named with their process", async () => {
    await using machine = await DoctorMachine.make();
    const other = machine.path("other");
    const env = { HOME: machine.home, PEERLINE_HOME: other, PEERLINE_BROKER: "" };
    const broker = `unix:${join(other, "broker.sock")}`;
    await using agent = await new Agent({
      home: machine.home,
      env: { ...env, PEERLINE_BROKER: broker },
    }).start();
    const finding = await machine.finding("homes-differ");
    expect(finding).toMatchObject({
      severity: "problem",
      subject: join(other, "broker.sock"),
      fix: expect.stringContaining("Set PEERLINE_HOME"),
    });
    expect(finding.seen).toContain(`pid ${agent.pid}`);
    expect(finding.seen).toContain(machine.path(".peerline", "broker.sock"));
  });

  test("that share this home, however it is written, are no finding", async () => {
    await using machine = await DoctorMachine.make();
    await symlink(".peerline", machine.path("linked"));
    const socket = `unix:${machine.path("linked", "broker.sock")}`;
    const env = { HOME: machine.home, PEERLINE_BROKER: socket };
    await using agent = await new Agent({ home: machine.path("linked"), env }).start();
    expect(agent.pid).toBeGreaterThan(0);
    expect(await machine.finding("homes")).toMatchObject({
      severity: "ok",
      seen: expect.stringContaining("1 agent"),
    });
  });

  test("that run an older version are named", async () => {
    await using machine = await DoctorMachine.make({
      "old/package.json": `{"name":"peerline","version":"0.0.1","type":"module"}`,
      "old/dist/peerline.js": "process.stdout.write('up\\n'); setInterval(() => {}, 1000);",
    });
    const old = machine.path("old/dist/peerline.js");
    await using running = new Running(process.execPath, [old, "mcp"], { HOME: machine.home });
    expect(await running.line()).toBe("up");
    expect(await machine.finding("adapter-version")).toMatchObject({
      severity: "warning",
      subject: old,
      seen: expect.stringContaining("version 0.0.1"),
      fix: "Restart that agent",
    });
  });
});

describe("the report for people", () => {
  test("has groups, problems last with their fixes, and a closing line with counts", async () => {
    await using machine = await DoctorMachine.make({
      ".codex/config.toml": `[mcp_servers.peerline]\ncommand = "/nowhere/node"\nargs = []\n`,
      ".claude/settings.json": "{",
    });
    const { code, stdout, stderr } = await machine.peerline("doctor");
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toMatch(/^This program\n {2}ok +\S.*\n[^]*\nHome\n[^]*\nHosts\n/);
    const [, troubles = ""] = stdout.split("\nTo be fixed\n");
    expect(troubles).toMatch(
      /^ {2}warning {2}Codex: [^]*\n {2}problem {2}[^]*\n\n\d+ ok, \d+ notes?, 1 warning, 2 problems\.\n$/,
    );
    expect(troubles).toContain(`fix: ${install} codex --force`);
    expect(stdout).not.toContain("\u001B");
  });

  test("lets nothing of a file act on the terminal", async () => {
    const command = "/nowhere/\u001B[2J\u202Enode";
    const entry = { mcpServers: { peerline: { command, args: [] } } };
    await using machine = await DoctorMachine.make({ ".claude.json": JSON.stringify(entry) });
    const acting = /(?!\n)[\p{Cc}\p{Bidi_Control}]/u;
    expect((await machine.peerline("doctor")).stdout).not.toMatch(acting);
    const json = await machine.peerline("doctor", "--json");
    expect(json.stdout).not.toMatch(acting);
    expect(json.stdout).toContain("entry-program-missing");
  });

  test("has help with an example", async () => {
    await using machine = await DoctorMachine.make();
    const { code, stdout } = await machine.peerline("doctor", "--help");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Examples:\n +peerline doctor$/m)]);
  });
});
