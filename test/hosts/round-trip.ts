import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import type { UserPlaces } from "../../src/endpoint/config.js";
import { Backups } from "../../src/hosts/config-files/backups.js";
import {
  install,
  planInstall,
  planUninstall,
  uninstall,
} from "../../src/hosts/config-files/config-edit.js";
import type { Before, ConfigChange } from "../../src/hosts/config-files/config-change.js";
import type { Host, Scope } from "../../src/hosts/host.js";
import { UserFolder } from "./user-folder.js";

type Configurations = Readonly<Record<string, Before>>;

interface ChangeOptions {
  readonly scope?: Scope;
  readonly trust?: boolean;
  readonly hooks?: boolean;
  readonly home?: string;
  readonly program?: string;
}

/** One host's changes for a user with an ordinary machine. */
export function changesOf(
  installer: Host,
  {
    scope = "user",
    trust = false,
    hooks = false,
    home = "/home/ada",
    program = "/opt/peerline/dist/peerline.js",
  }: ChangeOptions = {},
): readonly ConfigChange[] {
  return installer.changes({
    scope,
    trust,
    hooks,
    places: placesIn(home),
    project: "/srv/shop",
    server: { command: "/usr/bin/node", args: [program, "mcp"] },
  });
}

/** The first change, which names the server. */
export function serverChange(installer: Host, options: ChangeOptions = {}): ConfigChange {
  const [change] = changesOf(installer, options);
  if (change === undefined) throw new Error(`${installer.name} changes nothing`);
  return change;
}

/** The change that puts the hooks into their file, beside what else goes there. */
export function hooksChange(installer: Host, options: ChangeOptions = {}): ConfigChange {
  const change = changesOf(installer, { hooks: true, ...options }).at(-1);
  if (change === undefined) throw new Error(`${installer.name} changes nothing`);
  return change;
}

type ChangeOf = typeof serverChange;

/** What has to hold for every configuration that a host can read. */
export function testRoundTrip(
  installer: Host,
  configurations: Configurations,
  changeOf: ChangeOf = serverChange,
): void {
  test.each(Object.entries(configurations))(
    "%s: what was there keeps its bytes, and comes back",
    (_name, before) => {
      const change = changeOf(installer);
      const text = before ?? undefined;
      expect(change.entry(text).kind).toBe("absent");
      const after = change.put(text);
      expect(change.entry(after).kind).toBe("own");
      expect(change.put(after)).toBe(after);
      expectInserted(text ?? "", after);
      expect(change.remove(after, before)).toBe(text);
    },
  );
  testRestored(installer, configurations, changeOf);
}

/** What has to hold on a disk besides: nothing is left over, and modes stay. */
export function testRestored(
  installer: Host,
  configurations: Configurations,
  changeOf: ChangeOf = serverChange,
): void {
  test.each(Object.entries(configurations))(
    "%s: on disk all is as before, once it is uninstalled",
    async (_name, before) => {
      await using folder = await UserFolder.make();
      await using peerline = await UserFolder.make();
      const change = changeOf(installer, { home: folder.path });
      if (typeof before === "string") {
        await mkdir(dirname(change.path), { recursive: true });
        await writeFile(change.path, before, { mode: 0o640 });
      }
      const untouched = await folder.contents();
      const backups = new Backups(peerline.path);
      const plan = { backups, force: false };

      const planned = await planInstall(change, plan);
      expect(await folder.contents()).toEqual(untouched);
      await install(planned, backups);
      const again = await planInstall(change, plan);
      expect(again.after).toBe(again.file.text);

      await uninstall(await planUninstall(change, plan), backups);
      expect(await folder.contents()).toEqual(untouched);
      expect(await peerline.contents()).toEqual({});
    },
  );
}

/** The text with something more in it, here and there, and nothing less. */
export function expectInserted(before: string, after: string): void {
  let kept = 0;
  for (const character of after) if (character === before[kept]) kept += 1;
  expect(kept).toBe(before.length);
  expect(after.length).toBeGreaterThan(before.length);
}

function placesIn(home: string): UserPlaces {
  return {
    home,
    settings: `${home}/.config`,
    pathIn: () => undefined,
    programs: [],
  };
}
