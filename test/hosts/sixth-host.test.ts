import { execFile, spawn } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentsMachine } from "../cli/agents-machine.js";
import type { HostHooks } from "../../src/hosts/host.js";
import { Agent } from "../mcp/agent.js";
import { eventually } from "../support/test-broker.js";
import { textOf } from "./doorbell/text-of.js";
import { zed } from "./sixth-host/host.js";

const root = resolve(import.meta.dirname, "../..");
let copy: string;

/** What README says on adding a host, done to a copy of the sources: one folder, and one line in the list. */
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "pl-"));
  for (const name of ["src", "gen", "package.json", "rolldown.config.ts", "tsconfig.json"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const folder = join(copy, "src/hosts/zed");
  cpSync(join(root, "test/hosts/sixth-host"), folder, { recursive: true });
  edit(join(folder, "host.ts"), /"(?:\.\.\/){3}src\/hosts\//g, `"../`);
  const list = join(copy, "src/hosts/all-hosts.ts");
  edit(list, "vsCode]", "vsCode, zed]");
  edit(list, /^/, `import { zed } from "./zed/host.js";\n`);
  await promisify(execFile)(join(root, "node_modules/.bin/rolldown"), ["-c"], { cwd: copy });
});

afterAll(() => rm(copy, { recursive: true, force: true }));

describe("a sixth host, from one folder and one line in the list of hosts", () => {
  test("is installed and uninstalled, by its name and by its program's", async () => {
    await using machine = await AgentsMachine.make({ ".zed/servers.json": `{ "mine": 1 }\n` });
    const before = await machine.contents();
    const shown = await peerline(machine, "install");
    expect(shown.stdout).toContain("install zed\n");
    expect(await peerline(machine, "install", "zed-agent")).toMatchObject({ code: 0, stderr: "" });
    expect(await machine.read(".zed/servers.json")).toContain(join(copy, "dist/peerline.js"));
    expect(await machine.read(".zed/hooks.json")).toContain(
      "doorbell.sh' zed turn-over $PPID answer=block conversation=talk folder=process moment=end subagents=told",
    );
    expect((await peerline(machine, "install", "zed")).stdout).toContain("installed already");
    expect(await peerline(machine, "uninstall", "zed")).toMatchObject({ code: 0 });
    expect(await machine.contents()).toEqual(before);
  });

  test("is looked at by the doctor, in all that is particular to it", async () => {
    await using machine = await AgentsMachine.make();
    await peerline(machine, "install", "zed");
    const shop = machine.path("shop");
    expect(await findings(machine)).toMatchObject({
      "host-configured": { seen: expect.stringContaining(".zed/servers.json") },
      "entry-env-vars": {
        fix: expect.stringContaining(`pass = ["PEERLINE_HOME","PEERLINE_NAME"`),
      },
      "hooks-untrusted": { fix: "Start zed, and allow them" },
      "folder-untrusted": { fix: `cd ${shop} && zed-agent, then /trust` },
    });
    await machine.write(".zed/allowed.json", `{ "hooks": true }`);
    await machine.write(".zed/folders.json", JSON.stringify({ [shop]: true }));
    const well = await findings(machine);
    expect(well).toMatchObject({ hooks: { severity: "ok" }, "entry-answers": { severity: "ok" } });
    expect(well).not.toHaveProperty("folder-untrusted");

    await machine.write("shop/.zed/hooks.json", `{ "quiet": true }`);
    await machine.write(".zed/old.json", `{ "servers": { "peerline": { "command": "x" } } }`);
    const local = { [shop]: { peerline: { command: "node", args: ["/x/peerline.js", "mcp"] } } };
    await machine.write(".zed/projects.json", JSON.stringify(local));
    await machine.write(".zed/extensions.json", `{ "peerline": true }`);
    expect(await findings(machine)).toMatchObject({
      "hooks-disabled": { seen: expect.stringContaining("quiet") },
      "entry-ignored": { seen: expect.stringContaining(".zed/old.json") },
      "entry-twice": { fix: expect.stringMatching(/forget peerline; then .* drop peerline\)$/) },
      "plugin-program-missing": { subject: "Zed" },
    });
  });

  test("is recognised, and its hooks tell its agent of mail", async () => {
    await using machine = await AgentsMachine.make();
    await peerline(machine, "install", "zed");
    const home = machine.path(".peerline");
    await using agent = await new Agent({
      home,
      program: join(copy, "dist/peerline.js"),
      clientName: "zed-mcp",
      env: { PEERLINE_NAME: "api", ZED_TALK: "talk-1" },
    }).start();
    await agent.facts("list_peers");
    const { stdout } = await peerline(machine, "peers", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ peers: [{ profile: { clientName: "zed" } }] });
    const hook = await hooksIn(machine);
    expect(await hook("asked")).toBe("");
    await peerline(machine, "send", "api", "the schema changed");
    const line = "Peerline: 1 unread from";
    await eventually(async () => expect(await hook("turn-over")).toContain(line));
    await peerline(machine, "stop");
  });

  test("has its parts in the build, each with the script and the skill", () => {
    const part = join(copy, "dist/zed-extension");
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(JSON.parse(readFileSync(join(part, "extension.json"), "utf8")).version).toBe(version);
    expect(existsSync(join(part, "doorbell.sh"))).toBe(true);
    expect(existsSync(join(part, "skills/peerline/SKILL.md"))).toBe(true);
  });

  test("does not compile without any of its members", async () => {
    const [hook] = hooksOfZed.hooks;
    const parts = {
      Host: zed,
      HostHooks: hooksOfZed,
      HookTrust: hooksOfZed.trust,
      Hook: hook,
      HookFacts: hook?.facts,
      FolderTrust: zed.folderTrust,
    };
    const lines = Object.entries(parts).flatMap(([type, part]) => [
      `export const ${type}Whole: ${type} = { ...all.${type} };`,
      `export const ${type}Optional: [Optional<${type}>] extends ["task" | never] ? "none" : never = "none";`,
      ...Object.keys(Object(part)).map((name) => lacking(type, name)),
    ]);
    expect(lines.length).toBeGreaterThan(45);
    writeFileSync(join(copy, "src/hosts/zed/lacking.ts"), [head, ...lines].join("\n"));
    const config = { extends: "./tsconfig.json", include: ["src/hosts/zed"] };
    writeFileSync(join(copy, "lacking.json"), JSON.stringify(config));
    const options = ["-p", "lacking.json", "--noUnusedLocals", "false"];
    const tsc = promisify(execFile)(join(root, "node_modules/.bin/tsc"), options, { cwd: copy });
    expect(await tsc.catch((error: { stdout: string }) => error)).toMatchObject({ stdout: "" });
  });
});

const hooksOfZed = zed.hooks as HostHooks;

const head = `
import type { Hook, HookFacts } from "../doorbell/hook.js";
import type { FolderTrust, HookTrust, Host, HostHooks } from "../host.js";

declare const all: { Host: Host; HostHooks: HostHooks; HookTrust: HookTrust; Hook: Hook; HookFacts: HookFacts; FolderTrust: FolderTrust };
/** What a host may leave out: of a hook, what it does beside telling. */
type Optional<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T];
`;

/** A program that gives the type a value without one of its members. */
function lacking(type: string, name: string): string {
  return `export const ${type}_${name} = (({ ${name}: _, ...rest }: ${type}): ${type} =>
    // @ts-expect-error: ${name} is missing
    rest)(all.${type});`;
}

/** Runs the program with the sixth host in it. */
function peerline(machine: AgentsMachine, ...args: string[]) {
  return machine.run(process.execPath, [join(copy, "dist/peerline.js"), ...args]);
}

/** What the doctor finds of the sixth host and its files, by the ids. */
async function findings(machine: AgentsMachine) {
  const { stdout } = await peerline(machine, "doctor", "--json");
  const all = (JSON.parse(stdout) as { findings: { id: string; subject: string }[] }).findings;
  return Object.fromEntries(
    all.filter(({ subject }) => subject === "Zed").map((one) => [one.id, one]),
  );
}

/** Runs the installed hooks of an event, as the host would whose process this is, and resolves to what they print. */
async function hooksIn(machine: AgentsMachine) {
  const text = await machine.read(".zed/hooks.json");
  const { hooks } = JSON.parse(text) as {
    hooks: Record<string, [{ hooks: [{ command: string }] }]>;
  };
  return async (event: string): Promise<string> => {
    const child = spawn("sh", ["-c", hooks[event]?.[0].hooks[0].command ?? "exit 1"], {
      env: { PATH: process.env["PATH"], HOME: machine.home },
    });
    // A hook that does not read its input ends before it is written.
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify({ talk: "talk-1", hook_event_name: event }));
    const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    expect(stderr).toBe("");
    return stdout;
  };
}

function edit(path: string, before: string | RegExp, after: string): void {
  const text = readFileSync(path, "utf8");
  const changed = text.replace(before, after);
  expect(changed).not.toBe(text);
  writeFileSync(path, changed);
}
