import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { chmod, mkdir, readdir, rename, symlink } from "node:fs/promises";
import { userInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { isRunning } from "../../src/endpoint/process-stamp.js";
import { program } from "../support/program.js";
import { DoctorMachine } from "./doctor-machine.js";

test("uninstall says what stays, and how all of it goes", async () => {
  await using machine = await DoctorMachine.make({ ".codex/config.toml": `token = "hunter2"\n` });
  expect((await machine.peerline("install", "codex")).code).toBe(0);
  await machine.write(".codex/config.toml", `${await machine.read(".codex/config.toml")}# mine\n`);
  const pid = await machine.startBroker();
  const { code, stdout } = await machine.peerline("uninstall", "codex");
  expect(code).toBe(0);
  if (process.platform === "linux") expect(stdout).toContain(`the broker that runs (pid ${pid})`);
  expect(stdout).toContain(`all mail and who is who in ${machine.path(".peerline")}`);
  expect(stdout).toContain("copies of 1 file of your agents as they were, which may hold tokens");
  expect(stdout).toMatch(/`\S.* uninstall --purge` removes all of it\.\n$/);
});

describe("a tool that Codex's user always allows", () => {
  const allowed = `\n[mcp_servers.peerline.tools.send_message]\napproval_mode = "approve"\n`;

  test("goes with the entry, without --force", async () => {
    await using machine = await DoctorMachine.make({ ".codex/config.toml": `model = "x"\n` });
    await machine.peerline("install", "codex");
    const config = await machine.read(".codex/config.toml");
    await machine.write(".codex/config.toml", config + allowed);
    expect(await machine.peerline("install", "codex", "--trust")).toMatchObject({ code: 0 });
    expect(await machine.read(".codex/config.toml")).toContain("tools.send_message]");
    expect(await machine.peerline("uninstall", "codex")).toMatchObject({ code: 0, stderr: "" });
    expect(await machine.read(".codex/config.toml")).toBe(`model = "x"\n`);
  });

  test("goes from the files of profiles too, where no server is in them", async () => {
    const mine = `[mcp_servers.peerline]\ncommand = "mine"\n`;
    await using machine = await DoctorMachine.make({
      ".codex/dark.config.toml": `model = "x"\n${allowed}`,
      ".codex/mine.config.toml": mine,
      ".codex/broken.config.toml": "model = \n",
    });
    await machine.peerline("install", "codex");
    await expect(machine.finding("entry-leftover")).rejects.toThrow("0 findings");
    const { code, stdout, stderr } = await machine.peerline("uninstall", "codex");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(machine.path(".codex/dark.config.toml"));
    expect(await machine.read(".codex/dark.config.toml")).toBe(`model = "x"\n`);
    expect(await machine.read(".codex/mine.config.toml")).toBe(mine);
  });

  test.each([
    ["a profile's file", ".codex/dark.config.toml", []],
    ["the user's file", ".codex/config.toml", []],
    ["the project's file", "shop/.codex/config.toml", ["--scope", "project"]],
  ])("alone in %s is named by doctor, and goes", async (_name, file, scope) => {
    await using machine = await DoctorMachine.make({ [file]: `model = "x"\n${allowed}` });
    const uninstall = ["uninstall", "codex", ...scope];
    expect(await machine.finding("entry-leftover")).toMatchObject({
      severity: "problem",
      seen: expect.stringContaining(machine.path(file)),
      commands: [expect.stringMatching(new RegExp(`${uninstall.join(" ")}$`))],
    });
    expect(await machine.peerline(...uninstall)).toMatchObject({ code: 0, stderr: "" });
    expect(await machine.read(file)).toBe(`model = "x"\n`);
  });
});

describe("uninstall --purge", () => {
  test("stops the broker, and leaves the machine as it was before peerline came", async () => {
    await using machine = await DoctorMachine.make({ ".claude.json": "{}" });
    const before = await machine.contents();
    await machine.peerline("install", "claude", "codex", "gemini", "cursor", "vscode");
    const pid = await machine.startBroker();
    await machine.peerline("send", userInfo().username, "unread");
    await machine.write(".peerline/doorbells/one/turn", "");

    const asked = await machine.peerline("uninstall", "--purge");
    expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining("add --yes") });
    expect(asked.stdout).toContain("1 message waits unread, of 1 peer");
    expect(asked.stdout).toContain("copies of your agents' files, which may hold tokens");
    expect(isRunning(pid)).toBe(true);

    const dry = await machine.peerline("uninstall", "--purge", "--dry-run");
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing was changed") });
    expect(dry.stdout).toContain(`The broker (pid ${pid}) will be stopped.`);
    expect(isRunning(pid)).toBe(true);

    const { code, stdout, stderr } = await machine.peerline("uninstall", "--purge", "--yes");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/Removed \S+\/\.peerline\.\n$/);
    expect(isRunning(pid)).toBe(false);
    const { ".peerline": _, ...others } = before;
    expect(await machine.contents()).toEqual(others);
    const again = await machine.peerline("uninstall", "--purge");
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("There is no home") });
  });

  test("follows no link, and leaves what is not peerline's", async () => {
    await using machine = await DoctorMachine.make({
      "theirs/kept.txt": "kept",
      ".peerline/notes.txt": "mine",
    });
    await machine.startBroker();
    await machine.peerline("stop");
    await symlink(machine.path("theirs"), machine.path(".peerline/backups"));
    await mkdir(machine.path(".peerline/peers"), { mode: 0o700 });
    await symlink(machine.path("theirs"), machine.path(`.peerline/peers/${randomUUID()}.secret`));
    await rename(machine.path(".peerline"), machine.path("real"));
    await symlink("real", machine.path(".peerline"));
    const { code, stdout } = await machine.peerline("uninstall", "--purge", "--yes");
    expect([code, stdout]).toEqual([0, expect.stringContaining("left: notes.txt")]);
    expect(await readdir(machine.path("real"))).toEqual(["notes.txt"]);
    expect(await readdir(machine.path("theirs"))).toEqual(["kept.txt"]);
  });

  test("takes no folder of somebody else for its own, whatever its name, and says what goes", async () => {
    const theirs = ["backups/thesis.txt", "broker-project/main.c", "peers.old/x", "peers/list.txt"];
    await using machine = await DoctorMachine.make(
      Object.fromEntries(theirs.map((path) => [`both/${path}`, "theirs"])),
    );
    await chmod(machine.path("both"), 0o700);
    const purge = () => {
      const args = [program, "uninstall", "--purge", "--yes"];
      return machine.run(process.execPath, args, { PEERLINE_HOME: machine.path("both") });
    };
    const refused = await purge();
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("is no home")]);
    await machine.write("both/operator.token", "x");
    await machine.write("both/lock.db", "");
    const { code, stdout } = await purge();
    expect([code, stdout]).toEqual([0, expect.stringContaining("Goes: lock.db, operator.token")]);
    for (const path of theirs) expect(await machine.read(`both/${path}`)).toBe("theirs");
    expect(await readdir(machine.path("both"))).not.toContain("operator.token");
  });

  test.each(["documents", "a file", "nothing of peerline's"])(
    "refuses a home that is %s",
    async (what) => {
      await using machine = await DoctorMachine.make({ file: "" });
      if (what === "documents") await machine.write("other/thesis.tex", "");
      await mkdir(machine.path("other"), { recursive: true, mode: 0o700 });
      const home = machine.path(what === "a file" ? "file" : "other");
      const before = await machine.contents();
      const env = { PEERLINE_HOME: home };
      const args = [program, "uninstall", "--purge", "--yes"];
      const { code, stderr } = await machine.run(process.execPath, args, env);
      expect([code, stderr]).toEqual([1, expect.stringContaining("is no home of Peerline's")]);
      expect(await machine.contents()).toEqual(before);
    },
  );

  test("keeps the home where something could not be taken out", async () => {
    await using machine = await DoctorMachine.make();
    await machine.peerline("install", "codex");
    const text = (await machine.read(".codex/config.toml")).replace("300", "301");
    await machine.write(".codex/config.toml", text);
    const { code, stderr } = await machine.peerline("uninstall", "--purge", "--yes");
    expect([code, stderr]).toEqual([1, expect.stringContaining("--force removes it")]);
    expect(stderr).toContain("stays: what was not taken out needs it");
    expect(lstatSync(machine.path(".peerline/backups")).isDirectory()).toBe(true);
  });

  test("does not remove a home under a broker that cannot be asked", async () => {
    await using machine = await DoctorMachine.make();
    const pid = await machine.startBroker();
    process.kill(pid, "SIGSTOP");
    try {
      const { code, stderr } = await machine.peerline("uninstall", "--purge", "--yes");
      expect([code, stderr]).toEqual([1, expect.stringContaining("still uses")]);
      expect(lstatSync(machine.path(".peerline/peerline.db")).isFile()).toBe(true);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("names no agent and no scope", async () => {
    await using machine = await DoctorMachine.make();
    expect(await machine.peerline("uninstall", "codex", "--purge")).toMatchObject({ code: 2 });
    const project = ["uninstall", "--purge", "--scope", "project"];
    expect(await machine.peerline(...project)).toMatchObject({ code: 2 });
  });
});
