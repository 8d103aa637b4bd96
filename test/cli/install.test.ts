import { symlink } from "node:fs/promises";
import { expect, test } from "vitest";
import { program } from "../support/program.js";
import { AgentsMachine } from "./agents-machine.js";

const claude = `{\n  "numStartups": 3,\n  "mcpServers": {\n    "fs": { "command": "mcp-fs" }\n  }\n}\n`;
const codex = `model = "gpt-5.2" # the usual\n`;

test("a dry run prints the exact change and makes none", async () => {
  await using machine = await AgentsMachine.make({ ".claude.json": claude });
  const before = await machine.contents();
  const { code, stdout, stderr } = await machine.peerline(
    "install",
    "claude",
    "--no-hooks",
    "--dry-run",
  );
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`Claude Code: ${machine.path(".claude.json")}
@@ line 4 @@
+    "peerline": {
+      "type": "stdio",
+      "command": "${process.execPath}",
+      "args": [
+        "${program}",
+        "mcp"
+      ],
+      "env": {}
+    },
`);
  expect(await machine.contents()).toEqual(before);
});

test("installed and uninstalled everywhere, all is as it was", async () => {
  await using machine = await AgentsMachine.make({
    ".claude.json": claude,
    ".claude/settings.json": `{"permissions":{"allow":["WebSearch"]}}`,
    ".codex/config.toml": codex,
    ".gemini/settings.json": `{\n  // mine\n  "ui": {},\n  "mcpServers": {}\n}`,
    ".cursor/mcp.json": "",
  });
  const before = await machine.contents();
  const agents = ["claude", "codex", "gemini", "cursor", "vscode"];
  const installed = await machine.peerline("install", ...agents, "--trust");
  expect(installed).toMatchObject({ code: 0 });
  expect(installed.stdout.match(/: wrote /g)).toHaveLength(7);
  expect(await machine.read(".claude/settings.json")).toContain(`"mcp__peerline__*"`);
  expect(await machine.read(".codex/hooks.json")).toContain("doorbell.sh");

  const written = await machine.contents();
  const again = await machine.peerline("install", ...agents);
  expect(again.stdout.match(/installed already/g)).toHaveLength(5);
  expect(await machine.contents()).toEqual(written);

  expect(await machine.peerline("uninstall", "--all")).toMatchObject({ code: 0, stderr: "" });
  expect(await machine.contents()).toEqual(before);
  const nothing = await machine.peerline("uninstall", "--all");
  expect(nothing.stdout.match(/is not installed/g)).toHaveLength(5);
});

test("it says where the file as it was is kept, and what to do next", async () => {
  await using machine = await AgentsMachine.make({ ".codex/config.toml": codex });
  const { stdout } = await machine.peerline("install", "codex");
  const [, backup = ""] = /^ {2}As it was: .*\/(\.peerline\/backups\/.*)$/m.exec(stdout) ?? [];
  expect(await machine.read(backup)).toBe(codex);
  expect(stdout).toContain("Restart Codex");
});

test("without an agent it shows what it found and what it would do, and does nothing", async () => {
  await using machine = await AgentsMachine.make({ ".codex/config.toml": codex });
  await machine.addProgram("gemini");
  const before = await machine.contents();
  const { code, stdout } = await machine.peerline("install");
  expect(code).toBe(0);
  expect(stdout).toContain(`Codex: ${machine.path(".codex/config.toml")}\n@@ line 2 @@\n+\n+# >>>`);
  expect(stdout).toContain(`Gemini CLI: ${machine.path(".gemini/settings.json")} (a new file)`);
  expect(stdout).toMatch(/Nothing was changed\..*\n {2}\S.* install codex gemini\n$/);
  const [told = ""] = stdout.trimEnd().split("\n").slice(-1);
  expect(told).toBe(`  ${process.execPath} ${program} install codex gemini`);
  expect(stdout).not.toContain("Claude");
  expect(await machine.contents()).toEqual(before);

  const all = await machine.peerline("install", "--all");
  expect(all.stdout.match(/: wrote /g)).toHaveLength(3);
});

test("where there is no agent it says so", async () => {
  await using machine = await AgentsMachine.make();
  expect(await machine.peerline("install")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("No coding agent was found"),
  });
});

test("a file that is broken stops its agent only, before anything of it is written", async () => {
  await using machine = await AgentsMachine.make({
    ".claude/settings.json": `{ "permissions": `,
    ".codex/config.toml": codex,
  });
  const { code, stdout, stderr } = await machine.peerline("install", "claude", "codex", "--trust");
  expect([code, stdout]).toEqual([1, expect.stringContaining("Codex: wrote")]);
  expect(stderr).toMatch(/^peerline: .*settings\.json cannot be read as JSON \(line 1, column 18/);
  expect(await machine.contents()).not.toHaveProperty([".claude.json"]);
});

test("a file that goes too deep is refused by its name, and by the doctor's finding", async () => {
  await using machine = await AgentsMachine.make({
    ".claude/settings.json": `{"a":${"[".repeat(200_000)}`,
    ".codex/config.toml": `a = ${"[".repeat(200_000)}`,
  });
  const { code, stderr } = await machine.peerline("install", "claude", "codex");
  expect(code).toBe(1);
  expect(stderr).toMatch(/settings\.json cannot be read as JSON \(line 1, column \d+: more than/);
  expect(stderr).toContain("config.toml cannot be read as TOML");
  const doctor = await machine.peerline("doctor", "--json");
  for (const said of [stderr, doctor.stderr, doctor.stdout]) expect(said).not.toContain("defect");
  expect(doctor.stdout.match(/"config-broken"/g)).toHaveLength(2);
});

test("a command that somebody put beside a hook outlives force and uninstalling", async () => {
  await using machine = await AgentsMachine.make();
  await machine.peerline("install", "claude");
  const settings = machine.read(".claude/settings.json");
  const mine = `{ "type": "command", "command": "echo MINE" }`;
  const shared = (await settings)
    .replace(/("UserPromptSubmit": \[\s*\{\s*"hooks": \[)/, `$1 ${mine},`)
    .replace(/"timeout": 5/, `"timeout": 6`);
  await machine.write(".claude/settings.json", shared);
  const { code, stdout } = await machine.peerline("install", "claude", "--force");
  const [, backup = ""] = /^ {2}As it was: .*\/(\.peerline\/backups\/.*)$/m.exec(stdout) ?? [];
  expect([code, await machine.read(backup)]).toEqual([0, shared]);
  expect(await machine.read(".claude/settings.json")).toContain(mine);
  await machine.peerline("uninstall", "claude");
  const left = JSON.parse(await machine.read(".claude/settings.json")) as unknown;
  expect(left).toEqual({ hooks: { UserPromptSubmit: [{ hooks: [JSON.parse(mine)] }] } });
});

test("an entry of that name that starts something else stays, unless forced", async () => {
  const foreign = `[mcp_servers.peerline]\ncommand = "other"\n`;
  await using machine = await AgentsMachine.make({ ".codex/config.toml": foreign });
  const { code, stderr } = await machine.peerline("install", "codex");
  expect([code, stderr]).toEqual([1, expect.stringContaining(`  command = "other"\n`)]);
  expect((await machine.peerline("uninstall", "codex")).stdout).toContain("and stays");
  expect(await machine.read(".codex/config.toml")).toBe(foreign);
  expect((await machine.peerline("install", "codex", "--force")).code).toBe(0);
  expect(await machine.read(".codex/config.toml")).toContain(program);
  await machine.peerline("uninstall", "codex");
  expect(await machine.read(".codex/config.toml")).toBe(foreign);
});

test("a project's own file, by the directory it is run in", async () => {
  await using machine = await AgentsMachine.make();
  const before = await machine.contents();
  const project = ["--scope", "project"];
  const { stdout } = await machine.peerline("install", "claude", "vscode", ...project);
  expect(stdout).toContain("keep it out of version control");
  expect(Object.keys(await machine.contents())).toEqual(
    expect.arrayContaining(["shop/.mcp.json", "shop/.vscode/mcp.json"]),
  );
  await machine.peerline("uninstall", "claude", "vscode", ...project);
  expect(await machine.contents()).toEqual(before);
});

test("a link to a file is followed and stays", async () => {
  await using machine = await AgentsMachine.make({ "dotfiles/claude.json": claude });
  await symlink("dotfiles/claude.json", machine.path(".claude.json"));
  const before = await machine.contents();
  await machine.peerline("install", "claude");
  expect(await machine.read("dotfiles/claude.json")).toContain(program);
  expect((await machine.contents())[".claude.json"]).toBe(before[".claude.json"]);
  await machine.peerline("uninstall", "claude");
  expect(await machine.contents()).toEqual(before);
});

test("an agent that cannot be told to trust says so", async () => {
  await using machine = await AgentsMachine.make();
  const { code, stderr } = await machine.peerline("install", "cursor", "--trust");
  expect([code, stderr]).toEqual([0, expect.stringContaining("Cursor has no file for --trust")]);
});

test("an agent that it does not know is refused with those it knows", async () => {
  await using machine = await AgentsMachine.make();
  const { code, stderr } = await machine.peerline("install", "emacs");
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining("Allowed choices are claude, codex, gemini, cursor, vscode"),
  ]);
});
