import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Backups } from "../../../src/hosts/config-files/backups.js";
import { claudeCode } from "../../../src/hosts/claude-code/host.js";
import {
  install,
  planInstall,
  planUninstall,
  uninstall,
} from "../../../src/hosts/config-files/config-edit.js";
import { serverChange } from "../round-trip.js";
import { UserFolder } from "../user-folder.js";

const foreign = `{"mcpServers":{"peerline":{"command":"other","args":["--token","x"]}}}`;

test("the backup holds the text as it was, for its user alone", async () => {
  await using machine = await machineWith(`{ "theme": "dark" }`);
  const backup = await machine.install();
  expect(backup).toMatch(/\/backups\/claude\.json\.[0-9a-f]{8}$/);
  expect(await readFile(backup ?? "", "utf8")).toBe(`{ "theme": "dark" }`);
  for (const entry of Object.values(await machine.peerline.contents())) {
    expect(entry).toMatch(/^(600|700) /);
  }
});

test("another entry of that name is shown, replaced only by force, and comes back", async () => {
  await using machine = await machineWith(foreign);
  await expect(machine.install()).rejects.toMatchObject({
    code: "FOREIGN_ENTRY",
    message: expect.stringContaining(`"--token",`),
  });
  expect(await machine.text()).toBe(foreign);
  await machine.install({ force: true });
  expect(await machine.text()).toContain("/opt/peerline/dist/peerline.js");
  await machine.uninstall();
  expect(await machine.text()).toBe(foreign);
});

test("an entry that somebody added to is removed only by force", async () => {
  await using machine = await machineWith(`{}`);
  await machine.install();
  const edited = (await machine.text()).replace(`"env": {}`, `"env": { "PEERLINE_NAME": "api" }`);
  await writeFile(machine.path, edited);
  await expect(machine.uninstall()).rejects.toMatchObject({ code: "FOREIGN_ENTRY" });
  expect(await machine.text()).toBe(edited);
  await machine.uninstall({ force: true });
  expect(await machine.text()).toBe(`{}`);
});

test("what somebody added to an entry is kept as it was, when force takes it", async () => {
  await using machine = await machineWith(`{}`);
  await machine.install();
  for (const name of ["api", "web"]) {
    const edited = (await machine.text()).replace(`"env": {}`, `"env": { "NAME": "${name}" }`);
    await writeFile(machine.path, edited);
    const kept =
      name === "api"
        ? await machine.install({ force: true })
        : await machine.uninstall({ force: true });
    expect(await readFile(kept ?? "", "utf8")).toBe(edited);
  }
  expect(await machine.text()).toBe(`{}`);
  const copies = Object.values(await machine.peerline.contents());
  expect(copies.filter((text) => /^600 .*"(?:api|web)"/s.test(text))).toHaveLength(2);
});

test("what the host wrote since stays; an object that came with the entry goes with it", async () => {
  await using machine = await machineWith(undefined);
  await machine.install();
  const { mcpServers } = JSON.parse(await machine.text()) as { mcpServers: unknown };
  await writeFile(machine.path, JSON.stringify({ numStartups: 1, mcpServers }, null, 2));
  await machine.uninstall();
  expect(await machine.text()).toBe(`{\n  "numStartups": 1\n}`);
});

test("an object that was empty before is left empty", async () => {
  await using machine = await machineWith(`{ "mcpServers": {} }`);
  await machine.install();
  const { mcpServers } = JSON.parse(await machine.text()) as { mcpServers: unknown };
  await writeFile(machine.path, JSON.stringify({ numStartups: 1, mcpServers }));
  await machine.uninstall();
  expect(await machine.text()).toBe(`{"numStartups":1,"mcpServers":{}}`);
  // What the host changed besides can still be looked up.
  expect(Object.values(await machine.peerline.contents())).toContain(`600 { "mcpServers": {} }`);
});

test("installed again from another place it still restores what was first", async () => {
  await using machine = await machineWith(`{  }`);
  await machine.install();
  const program = "/moved/dist/peerline.js";
  const moved = serverChange(claudeCode, { home: machine.folder.path, program });
  const { backups } = machine;
  await install(await planInstall(moved, { backups, force: false }), backups);
  expect(await machine.text()).toContain(program);
  await machine.uninstall();
  expect(await machine.text()).toBe(`{  }`);
});

test("what nobody installed is left alone", async () => {
  await using machine = await machineWith(foreign);
  const plan = await planUninstall(machine.change, { backups: machine.backups, force: true });
  expect([plan.found, plan.after]).toEqual(["foreign", foreign]);
});

async function machineWith(text: string | undefined) {
  const folder = await UserFolder.make();
  const peerline = await UserFolder.make();
  const path = join(folder.path, ".claude.json");
  if (text !== undefined) await writeFile(path, text);
  const change = serverChange(claudeCode, { home: folder.path });
  const backups = new Backups(peerline.path);
  return {
    folder,
    path,
    change,
    backups,
    peerline,
    text: () => readFile(path, "utf8"),
    install: async ({ force = false } = {}) =>
      install(await planInstall(change, { backups, force }), backups),
    uninstall: async ({ force = false } = {}) =>
      uninstall(await planUninstall(change, { backups, force }), backups),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      await peerline[Symbol.asyncDispose]();
    },
  };
}
