import { cp, mkdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { stampProcess } from "../../src/endpoint/process-stamp.js";
import { newBoxMs } from "../../src/hosts/limits.js";
import { program } from "../support/program.js";
import { DoctorMachine, install } from "./doctor-machine.js";

const files = {
  claude: ".claude/settings.json",
  codex: ".codex/hooks.json",
  gemini: ".gemini/settings.json",
} as const;

type HostName = keyof typeof files;

describe("a host's hooks", () => {
  test.each([
    ["another script", (command: string) => command.replaceAll(dirname(program), "PROJECT")],
    ["more than the script", (command: string) => `echo evil; ${command}`],
  ])("that come with a project and run %s are never well", async (_, change) => {
    await using machine = await DoctorMachine.make({ "shop/doorbell.sh": "" });
    await machine.peerline("install", "claude", "--scope", "project");
    expect((await machine.finding("hooks")).severity).toBe("ok");
    const file = "shop/.claude/settings.local.json";
    const settings = JSON.parse(await readFile(machine.path(file), "utf8")) as Settings;
    for (const [group] of Object.values(settings.hooks)) {
      const [entry] = group?.hooks ?? [];
      const command = change(String(entry?.["command"]));
      Object.assign(entry ?? {}, { command: command.replaceAll("PROJECT", machine.path("shop")) });
    }
    await machine.write(file, JSON.stringify(settings));
    expect(await machine.finding("hooks-strange")).toMatchObject({ severity: "warning" });
    await expectNotWell(machine);
  });

  test.each([
    ["claude", "claude-code", "5 of the 6 hooks"],
    ["codex", "codex", "3 of the 4 hooks"],
    ["gemini", "gemini-cli", "3 of the 4 hooks"],
  ] as const)("of %s that are not all there are named", async (host, name, seen) => {
    await using machine = await withHooks(host);
    await edit(machine, host, (settings) => {
      const [event = "", groups = []] = Object.entries(settings.hooks)[0] ?? [];
      settings.hooks = { [event]: groups.slice(0, 1) };
    });
    expect(await machine.finding("hooks-partial")).toMatchObject({
      severity: "warning",
      seen: expect.stringContaining(seen),
      fix: `${install} ${name}`,
    });
    await expectNotWell(machine);
    expect((await machine.peerline("install", host)).code).toBe(0);
    await expect(machine.finding("hooks-partial")).rejects.toThrow("0 findings");
  });

  test("that are run at some of their events only are named, and the fix is one", async () => {
    await using machine = await withHooks("claude");
    await edit(machine, "claude", ({ hooks }) => {
      Object.assign(hooks["PostToolUse"]?.[0] ?? {}, { matcher: "Edit" });
      Object.assign(hooks["Stop"]?.[1]?.hooks[0] ?? {}, { asyncRewake: false });
    });
    expect(await machine.finding("hooks-partial")).toMatchObject({
      seen: expect.stringMatching(/^2 of the 6 hooks .*: PostToolUse, Stop$/),
      fix: `${install} claude-code --force`,
    });
    expect((await machine.peerline("install", "claude", "--force")).code).toBe(0);
    expect((await machine.finding("hooks")).severity).toBe("ok");
  });

  test("that never came to a running agent are noted, until one does", async () => {
    await using machine = await withHooks("claude");
    const box = machine.path(".peerline/doorbells/pid-1");
    await mkdir(box, { recursive: true, mode: 0o700 });
    await writeFile(join(box, "adapter.pid"), `${stampProcess()}\n`);
    await expect(machine.finding("doorbells-unvisited"), "it has just begun").rejects.toThrow();
    const past = new Date(Date.now() - 2 * newBoxMs);
    await utimes(join(box, "adapter.pid"), past, past);
    expect(await machine.finding("doorbells-unvisited")).toMatchObject({
      severity: "note",
      seen: expect.stringContaining("1 running agent"),
    });
    await writeFile(join(box, "turn"), "idle\n");
    await expect(machine.finding("doorbells-unvisited")).rejects.toThrow("0 findings");
  });

  test("that somebody gave another bound, or company, are well", async () => {
    await using machine = await withHooks("claude");
    await edit(machine, "claude", ({ hooks }) => {
      const [group] = hooks["UserPromptSubmit"] ?? [];
      Object.assign(group?.hooks[0] ?? {}, { timeout: 9 });
      group?.hooks.push({ type: "command", command: "echo MINE" });
    });
    expect((await machine.finding("hooks")).severity).toBe("ok");
  });

  test.each([
    ["claude", { ".claude/settings.json": { disableAllHooks: true } }, "disableAllHooks"],
    ["claude", { "shop/.claude/settings.json": { disableAllHooks: true } }, "disableAllHooks"],
    [
      "gemini",
      { ".gemini/settings.json": { hooksConfig: { enabled: false } } },
      "hooksConfig.enabled",
    ],
  ] as const)("of %s that are switched off are named: %j", async (host, settings, setting) => {
    await using machine = await withHooks(host);
    const [[file, more] = ["", {}]] = Object.entries(settings);
    await merge(machine, file, more);
    expect(await machine.finding("hooks-disabled")).toMatchObject({
      severity: "warning",
      seen: expect.stringContaining(`by ${setting} in ${machine.path(file)}`),
    });
    await expectNotWell(machine);
  });

  test("of Gemini CLI that are in its list of those it leaves out are named", async () => {
    await using machine = await withHooks("gemini");
    const { hooks } = JSON.parse(await readFile(machine.path(files.gemini), "utf8")) as Settings;
    const command = hooks["AfterTool"]?.[0]?.hooks[0]?.["command"];
    await merge(machine, files.gemini, { hooksConfig: { disabled: ["other"] } });
    expect((await machine.finding("hooks")).severity).toBe("ok");
    await merge(machine, files.gemini, { hooksConfig: { disabled: ["other", command] } });
    expect((await machine.finding("hooks-disabled")).seen).toContain("hooksConfig.disabled");
  });

  test("of Codex that are switched off are named", async () => {
    await using machine = await withHooks("codex");
    const config = await readFile(machine.path(".codex/config.toml"), "utf8");
    await machine.write(".codex/config.toml", `${config}\n[features]\nhooks = false\n`);
    expect((await machine.finding("hooks-disabled")).seen).toContain("features.hooks");
    await expectNotWell(machine);
  });

  test("that the project's settings switch on again are well", async () => {
    await using machine = await withHooks("claude");
    await merge(machine, files.claude, { disableAllHooks: true });
    await merge(machine, "shop/.claude/settings.local.json", { disableAllHooks: false });
    expect((await machine.finding("hooks")).severity).toBe("ok");
  });

  test("of the plugin that are switched off, or not trusted by Codex, are named", async () => {
    await using machine = await DoctorMachine.make({
      ".claude/settings.json": `{"enabledPlugins":{"peerline@peerline":true},"disableAllHooks":true}`,
      ".codex/config.toml": `[plugins."peerline@here"]\nenabled = true\n`,
    });
    const findings = await machine.findings();
    expect(findings.filter(({ id }) => id === "hooks-disabled")).toMatchObject([
      { subject: "Claude Code", severity: "warning" },
    ]);
    expect(findings.filter(({ id }) => id === "hooks-untrusted")).toMatchObject([
      { subject: "Codex", seen: expect.stringContaining("hooks of its plugin are not trusted") },
    ]);
    const states = ["session_start", "user_prompt_submit", "post_tool_use", "stop"].map(
      (event) =>
        `[hooks.state."peerline@here:hooks/hooks.json:${event}:0:0"]\ntrusted_hash = "sha256:00/sha256:00"\n`,
    );
    const config = await readFile(machine.path(".codex/config.toml"), "utf8");
    await machine.write(".codex/config.toml", config + states.join(""));
    await expect(machine.finding("hooks-untrusted")).rejects.toThrow("0 findings");
  });

  test("that Codex was not told to trust, or were changed since, are named, and those it was are not", async () => {
    await using machine = await withHooks("codex", { trusted: false });
    const untrusted = await machine.finding("hooks-untrusted");
    expect(untrusted).toMatchObject({
      severity: "warning",
      seen: expect.stringMatching(/^4 hooks of 4 in /),
      fix: expect.stringContaining("trust them"),
    });
    await expectNotWell(machine);
    await machine.trustCodexHooks();
    expect((await machine.finding("hooks")).severity).toBe("ok");
    const text = await readFile(machine.path(files.codex), "utf8");
    const [, folder = ""] = /-r '([^']*)\/doorbell\.sh'/.exec(text) ?? [];
    await machine.write(files.codex, text.replaceAll(folder, `${folder}/../dist`));
    expect((await machine.finding("hooks-untrusted")).seen).toContain("4 hooks of 4");
    const config = await readFile(machine.path(".codex/config.toml"), "utf8");
    await machine.write(files.codex, text);
    await machine.write(".codex/config.toml", `${config}enabled = false\n`);
    expect((await machine.finding("hooks-untrusted")).seen).toContain("1 hook of 4");
  });

  test.each(["plain", "it's here"])(
    "that run a script that is gone are named, in a folder called %s",
    async (folder) => {
      await using machine = await withHooks("claude");
      const text = await readFile(machine.path(files.claude), "utf8");
      const gone = join("/nowhere", folder).replaceAll("'", inJson);
      await machine.write(files.claude, text.replaceAll(dirname(program), gone));
      expect(await machine.finding("hooks-program-missing")).toMatchObject({
        severity: "problem",
        seen: expect.stringContaining(`run ${join("/nowhere", folder, "doorbell.sh")}, which`),
        fix: `${install} claude-code`,
      });
      await expectNotWell(machine);
    },
  );

  test("whose script is gone from beside this program are fixed by bringing it back", async () => {
    await using machine = await DoctorMachine.make();
    const other = machine.path("other");
    const folder = dirname(dirname(program));
    await cp(dirname(program), join(other, "dist"), { recursive: true });
    await cp(join(folder, "package.json"), join(other, "package.json"));
    await symlink(join(folder, "node_modules"), join(other, "node_modules"));
    const run = (...args: string[]) =>
      machine.run(process.execPath, [join(other, "dist/peerline.js"), ...args]);
    expect((await run("install", "claude")).code).toBe(0);
    await rm(join(other, "dist/doorbell.sh"));
    const fix = async () => {
      const { stdout } = await run("doctor", "--json");
      const { findings } = JSON.parse(stdout) as { findings: { id: string; fix?: string }[] };
      return findings.find(({ id }) => id === "hooks-program-missing")?.fix;
    };
    expect(await fix()).toBe("In a clone of Peerline: npm ci && npm install --global .");
    await mkdir(join(other, "src"));
    expect(await fix()).toBe(`npm --prefix ${other} run build`);
  });
});

/** A quote within a quoted word of a shell, within a string of JSON. */
const inJson = String.raw`'\\''`;

interface Settings {
  hooks: Record<string, { hooks: Record<string, unknown>[] }[]>;
}

/** A machine on which one host is told of Peerline, with all hooks. */
async function withHooks(host: HostName, { trusted = true } = {}): Promise<DoctorMachine> {
  const machine = await DoctorMachine.make();
  await machine.peerline("install", host);
  if (host === "codex" && trusted) await machine.trustCodexHooks();
  return machine;
}

async function edit(
  machine: DoctorMachine,
  host: HostName,
  change: (settings: Settings) => void,
): Promise<void> {
  const settings = JSON.parse(await readFile(machine.path(files[host]), "utf8")) as Settings;
  change(settings);
  await machine.write(files[host], JSON.stringify(settings, null, 2));
}

async function merge(machine: DoctorMachine, file: string, more: object): Promise<void> {
  const text = await readFile(machine.path(file), "utf8").catch(() => "{}");
  await machine.write(file, JSON.stringify({ ...(JSON.parse(text) as object), ...more }));
}

async function expectNotWell(machine: DoctorMachine): Promise<void> {
  await expect(machine.finding("hooks")).rejects.toThrow("0 findings");
}
