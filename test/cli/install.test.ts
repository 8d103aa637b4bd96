import { symlink } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { program } from "../support/program.js";
import { AgentsMachine } from "./agents-machine.js";

const claude = `{\n  "numStartups": 3,\n  "mcpServers": {\n    "fs": { "command": "mcp-fs" }\n  }\n}\n`;
const codex = `model = "gpt-5.2" # the usual\n`;

test("a dry run has a line for each file, the exact text with --verbose, and changes nothing", async () => {
  await using machine = await AgentsMachine.make({ ".claude.json": claude });
  const before = await machine.contents();
  const short = await machine.peerline("install", "claude", "codex", "--dry-run");
  expect([short.code, short.stderr]).toEqual([0, ""]);
  expect(short.stdout.replaceAll(/file of \d+/g, "file of N"))
    .toBe(`Claude Code: ${machine.path(".claude.json")}: 9 lines added
Claude Code: ${machine.path(".claude/settings.json")}: a new file of N lines
Codex: ${machine.path(".codex/config.toml")}: a new file of N lines
Codex: ${machine.path(".codex/hooks.json")}: a new file of N lines

Nothing was changed. With --verbose it prints the whole text.
`);
  const args = ["install", "claude", "--no-hooks", "--dry-run", "--verbose"];
  const { code, stdout, stderr } = await machine.peerline(...args);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(`Claude Code: ${machine.path(".claude.json")}: 9 lines added
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

Nothing was changed.
`);
  expect(await machine.contents()).toEqual(before);

  await machine.peerline("install", "claude", "--no-hooks");
  const installed = await machine.contents();
  const out = await machine.peerline("uninstall", "claude", "--dry-run");
  expect(out.stdout).toBe(`Claude Code: ${machine.path(".claude.json")}: 9 lines removed

Nothing was changed. With --verbose it prints the whole text.
`);
  expect(await machine.contents()).toEqual(installed);
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
  expect(again.stdout).toContain(
    `in ${machine.path(".claude.json")} and ${machine.path(".claude/settings.json")}.`,
  );
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
  expect(stdout).toMatch(/^Codex: \S+\.codex\/config\.toml: \d lines added$/m);
  expect(stdout).toContain(`Gemini CLI: ${machine.path(".gemini/settings.json")}: a new file`);
  expect(stdout).toMatch(/Nothing was changed\..*\n.*:\n {2}\S.* install codex gemini-cli\n$/);
  const [told = ""] = stdout.trimEnd().split("\n").slice(-1);
  expect(told).toBe(`  ${process.execPath} ${program} install codex gemini-cli`);
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

/** The copy that `install` names for a file whose entry it replaced, from the home. */
function copyIn(stdout: string, file: string): string {
  const said = `wrote \\S*${file}, in place of .*\\n {2}As it was: .*/(\\.peerline/backups/.*)$`;
  return new RegExp(said, "m").exec(stdout)?.[1] ?? "";
}

describe("an entry for peerline from before", () => {
  const args = JSON.stringify([program, "mcp"]);
  // As the README's lines for doing it by hand write them.
  const byHand = {
    ".claude.json": `{ "mcpServers": { "peerline": { "type": "stdio", "command": "node", "args": ${args}, "env": {} } } }`,
    ".codex/config.toml": `${codex}\n[mcp_servers.peerline]\ncommand = "node"\nargs = ${args}\nenv_vars = ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME"]\ntool_timeout_sec = 300\n`,
    ".gemini/settings.json": `{ "mcpServers": { "peerline": { "command": "node", "args": ${args}, "trust": true } } }`,
  };
  test("made by hand is replaced, and both commands name a copy of the file with it", async () => {
    await using machine = await AgentsMachine.make(byHand);
    const { code, stdout } = await machine.peerline("install", "claude", "codex", "gemini");
    expect(code).toBe(0);
    const copies = Object.entries(byHand).map(
      ([name, text]) => [name, copyIn(stdout, name), text] as const,
    );
    for (const [name, copy, text] of copies) {
      expect(await machine.read(name)).toContain(process.execPath);
      expect(await machine.read(copy)).toBe(text);
    }
    // What a host writes meanwhile, and a second installation, do not lose the copy.
    await machine.write(".codex/config.toml", `${await machine.read(".codex/config.toml")}# new\n`);
    expect((await machine.peerline("install", "codex", "--trust")).code).toBe(0);

    const out = await machine.peerline("uninstall", "--all");
    expect([out.code, out.stderr]).toEqual([0, ""]);
    for (const [name, copy, text] of copies) {
      expect(await machine.read(name)).not.toContain("peerline");
      expect(out.stdout).toContain(`that \`install\` replaced is in ${machine.path(copy)}. To`);
      expect(await machine.read(copy)).toBe(text);
    }
    expect((await machine.peerline("uninstall", "--all")).stdout).not.toContain("replaced is in");
  });

  test("that was added to and replaced by force is named by uninstall, in its copy", async () => {
    const custom = byHand[".claude.json"].replace(`"env": {}`, `"env": { "MINE": "1" }`);
    await using machine = await AgentsMachine.make({ ".claude.json": custom });
    expect((await machine.peerline("install", "claude")).code).toBe(1);
    const copy = copyIn(
      (await machine.peerline("install", "claude", "--force")).stdout,
      ".claude.json",
    );
    expect(await machine.read(copy)).toBe(custom);
    const { stdout } = await machine.peerline("uninstall", "claude");
    expect(stdout).toContain(`replaced is in ${machine.path(copy)}. To have it again`);
    expect(await machine.read(copy)).toBe(custom);
  });

  test("is named in no copy by a purge, which takes the copies", async () => {
    await using machine = await AgentsMachine.make(byHand);
    await machine.peerline("install", "codex");
    const { code, stdout } = await machine.peerline("uninstall", "--purge", "--yes");
    expect([code, stdout]).toEqual([0, expect.stringContaining("took peerline out of")]);
    expect(stdout).not.toContain("/backups/");
  });
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

describe("a link out of the project", () => {
  const project = ["--scope", "project"];

  test.each([
    [".mcp.json", "claude"],
    [".claude", "claude"],
    [".codex", "codex"],
    [".gemini/settings.json", "gemini"],
    [".cursor", "cursor"],
    [".vscode/mcp.json", "vscode"],
  ])("that stands for %s is followed by force alone", async (link, agent) => {
    await using machine = await AgentsMachine.make();
    const isFile = link.endsWith(".json");
    await machine.write(isFile ? "theirs.json" : "theirs/settings.json", "{}");
    await machine.write("shop/.gemini/x", "");
    await machine.write("shop/.vscode/x", "");
    const target = machine.path(isFile ? "theirs.json" : "theirs");
    await symlink(target, machine.path(`shop/${link}`));
    const before = await machine.contents();
    for (const command of ["install", "uninstall"]) {
      const { code, stderr } = await machine.peerline(command, agent, ...project);
      expect([code, stderr]).toEqual([1, expect.stringContaining("leads out of the project, to")]);
      expect(stderr).toContain(target);
    }
    expect(await machine.contents()).toEqual(before);
    const { code, stdout } = await machine.peerline("install", agent, ...project, "--force");
    expect(code).toBe(0);
    if (isFile) expect(stdout).toContain(`(${target})`);
  });

  test("that leads to nothing yet is followed no more, and one within it is", async () => {
    await using machine = await AgentsMachine.make({ "shop/config/x": "" });
    await symlink(machine.path("elsewhere"), machine.path("shop/.codex"));
    const { code, stderr } = await machine.peerline("install", "codex", ...project);
    expect([code, stderr]).toEqual([1, expect.stringContaining(machine.path("elsewhere"))]);
    await symlink("config", machine.path("shop/.cursor"));
    expect(await machine.peerline("install", "cursor", ...project)).toMatchObject({ code: 0 });
    expect(await machine.read("shop/config/mcp.json")).toContain(program);
  });
});

describe("a plugin in use", () => {
  const plugins = {
    claude: {
      files: { ".claude/settings.json": `{"enabledPlugins":{"peerline@peerline":true}}` },
      removal: "claude plugin uninstall peerline@peerline",
    },
    codex: {
      files: { ".codex/config.toml": `[plugins."peerline@here"]\nenabled = true\n` },
      removal: "codex plugin remove peerline@here",
    },
    gemini: {
      files: { ".gemini/extensions/peerline/gemini-extension.json": "{}" },
      removal: "gemini extensions uninstall peerline",
    },
  } as const;

  test.each(["claude", "codex", "gemini"] as const)(
    "of %s gets no entry beside it, and is told of by uninstall",
    async (agent) => {
      const { files, removal } = plugins[agent];
      await using machine = await AgentsMachine.make(files);
      const before = await machine.contents();
      const { code, stdout } = await machine.peerline("install", agent);
      expect([code, stdout]).toEqual([
        0,
        expect.stringContaining("every agent would be two peers"),
      ]);
      expect(stdout).toContain(`To take the plugin out: ${removal}; then `);
      expect(await machine.contents()).toEqual(before);
      const out = await machine.peerline("uninstall", agent);
      expect(out.stdout).toContain("its plugin still starts peerline");
      expect(out.stdout).toContain(`To take the plugin out: ${removal}\n`);
      expect(await machine.contents()).toEqual(before);
    },
  );

  test("beside an entry is told with how to take either out", async () => {
    await using machine = await AgentsMachine.make();
    await machine.peerline("install", "claude");
    await machine.peerline("install", "claude", "--scope", "project");
    await machine.write(
      ".claude/settings.local.json",
      `{"enabledPlugins":{"peerline@peerline":true}}`,
    );
    const { stdout } = await machine.peerline("install", "claude");
    expect(stdout).toContain("claude plugin uninstall peerline@peerline");
    expect(stdout).toMatch(/To take the entry out: \S.* uninstall claude-code\n$/);
    const out = await machine.peerline("uninstall", "claude");
    expect(out.stdout).toContain("its plugin still starts peerline");
    expect(out.stdout).toContain(`stays in ${machine.path("shop/.mcp.json")}: `);
    expect(out.stdout).toMatch(/ uninstall claude-code --scope project\n/);
  });

  test.each([
    [
      "claude",
      { "shop/.claude/settings.local.json": `{"enabledPlugins":{"peerline@peerline":false}}` },
    ],
    ["codex", { ".codex/config.toml": `[plugins."peerline@here"]\nenabled = false\n` }],
    ["gemini", { ".gemini/extensions/extension-enablement.json": "" }],
  ] as const)("of %s that is switched off here is none", async (agent, off) => {
    await using machine = await AgentsMachine.make({ ...plugins[agent].files, ...off });
    if (agent === "gemini") {
      const rules = { peerline: { overrides: [`${machine.home}/*`, `!${machine.home}/shop/*`] } };
      await machine.write(".gemini/extensions/extension-enablement.json", JSON.stringify(rules));
    }
    const { stdout } = await machine.peerline("install", agent);
    expect(stdout).toContain(": wrote ");
  });
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
    expect.stringContaining("Allowed choices are claude-code, codex, gemini-cli, cursor, vscode"),
  ]);
});
