import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { program, run } from "../support/program.js";

const root = join(import.meta.dirname, "../..");

test("what was built may be executed: a global installation of a checkout links to it", () => {
  expect(isExecutable(program)).toBe(true);
});

test(
  "a build over a build leaves nothing of it, and the program is there all the time",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "pl-build-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const built = join(folder, "peerline.js");
    const build = () => {
      const rolldown = join(root, "node_modules/rolldown/bin/cli.mjs");
      const args = [rolldown, "-c", join(root, "rolldown.config.ts"), "--dir", folder];
      return run("/bin/sh", ["-c", 'cd "$0" && exec "$@"', root, process.execPath, ...args], {
        PATH: process.env["PATH"],
      });
    };
    expect(await build()).toMatchObject({ code: 0 });
    const left = join(folder, "chunks", "left-0a1b2c.js");
    writeFileSync(left, "");
    let missed = 0;
    const watch = setInterval(() => (missed += isExecutable(built) ? 0 : 1), 1);
    expect(await build()).toMatchObject({ code: 0 });
    clearInterval(watch);
    expect(missed).toBe(0);
    expect(isExecutable(built)).toBe(true);
    expect(existsSync(left)).toBe(false);
  },
);

test(
  "npm run demo builds without a word, and says why where it cannot",
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "pl-build-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: { demo: string };
    };
    const [bundle = "", types = ""] = scripts.demo.split(" && ");
    const shell = (command: string) =>
      run("/bin/sh", ["-c", `cd "$0" && PATH="$0/node_modules/.bin:$PATH" && ${command}`, root], {
        PATH: process.env["PATH"],
      });
    const quiet = { code: 0, stdout: "", stderr: "" };
    expect(await shell(`${bundle} --dir '${folder}'`)).toEqual(quiet);
    expect(await shell(`${types} --outDir '${folder}/types'`)).toEqual(quiet);
    const failed = await shell(`${bundle} --dir '${folder}' --input no-such-file.ts`);
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain("no-such-file.ts");
  },
);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
