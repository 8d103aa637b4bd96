import { existsSync, readdirSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { DoctorMachine } from "./cli/doctor-machine.js";
import { Started } from "./cli/terminal.js";
import { program } from "./support/program.js";
import { projectFiles, readProjectFile, root } from "./support/project-files.js";
import { startTestBroker } from "./support/test-broker.js";

const readme = readProjectFile("README.md");
const pages = projectFiles(/\.md$/);

describe("the pages", () => {
  test("are those that readers are sent to", () => {
    expect(pages).toEqual(
      expect.arrayContaining([
        "README.md",
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        "proto/README.md",
        "src/README.md",
        "src/hosts/README.md",
        "test/README.md",
      ]),
    );
  });

  test.each(pages)("%s names only files that exist", (page) => {
    const text = readProjectFile(page);
    const named = [...text.matchAll(/`((?:test|src|proto)\/[\w./-]+)`/g)].map((match) =>
      join(root, match[1] ?? ""),
    );
    const linked = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map((match) =>
      join(root, dirname(page), match[1] ?? ""),
    );
    const missing = [...named, ...linked].filter((path) => !existsSync(path));
    expect(missing.map((path) => relative(root, path))).toEqual([]);
  });

  test("the map of src names every folder there, and nothing that is not", () => {
    const map = /^## Map\n+```\n(.*?)^```/ms.exec(readProjectFile("src/README.md"))?.[1] ?? "";
    const rows = [...map.matchAll(/^(\S+\/) +(.*(?:\n +.*)*)$/gm)];
    const folders = rows.map(([, folder = ""]) => folder);
    const srcFolders = readdirSync(join(root, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `src/${name}/`);
    expect(folders.filter((folder) => folder.startsWith("src/")).toSorted()).toEqual(
      ["src/", ...srcFolders].toSorted(),
    );
    const named = rows.flatMap(([, folder = "", words = ""]) => [
      folder,
      ...[...words.matchAll(/[\w-]+(?:\/[\w-]+)*(?:\/|\.(?:ts|proto)\b)|\btest(?:\/[\w-]+)+/g)].map(
        ([path]) => (path.startsWith("test/") ? path : join(folder, path)),
      ),
    ]);
    expect(named.length).toBeGreaterThan(30);
    const files = projectFiles(/./);
    const missing = named.filter(
      (path) =>
        !existsSync(join(root, path)) &&
        !files.some(
          (file) => file.startsWith(dirname(path)) && file.endsWith(`/${basename(path)}`),
        ),
    );
    expect(missing).toEqual([]);
  });

  test("the contract's page states every limit as the broker does", async () => {
    await using broker = await startTestBroker();
    const { limits } = await broker.client().getServerInfo({});
    const rows = [
      ...readProjectFile("proto/README.md").matchAll(/^\| `([a-z_]+)` +\| ([\d,]+) +\|/gm),
    ].map(([, name, maximum]) => [name, Number(maximum?.replaceAll(",", ""))]);
    expect(rows).toEqual(limits.map(({ name, maximum }) => [name, Number(maximum)]));
  });
});

/** Commands of the README that are not run here, and the file that runs them. */
const runElsewhere: Readonly<Record<string, string>> = {
  "npm ci && npm run demo": "test/cli/demo.test.ts",
  "npm ci && npm test": ".ci/run",
  "npm ci && npm install --global .": "test/e2e/package.test.ts",
  "git pull && npm ci": ".ci/run",
  "npm install /path/to/peerline": "test/e2e/package.test.ts",
  "npm uninstall --global peerline": "test/e2e/package.test.ts",
};

/** The commands in the order of the README: of its blocks for the shell, then of its sentences. */
const commands = [
  ...[...readme.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) =>
    (match[1] ?? "").split("\n").map((line) => line.replace(/\s+#.*/, "")),
  ),
  ...[...readme.matchAll(/`((?:peerline|npm|git) [^`]+)`/g)].map((match) => match[1] ?? ""),
].filter((command, at, all) => command !== "" && all.indexOf(command) === at);

describe("the README", () => {
  test("is one page: at most 1,300 words", () => {
    expect(readme.split(/\s+/).filter((word) => word !== "").length).toBeLessThanOrEqual(1300);
  });

  test("has only commands that work", async () => {
    await using machine = await DoctorMachine.make({ ".claude.json": "{}" });
    await machine.program("peerline", `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
    const here = commands.filter((command) => !(command in runElsewhere));
    expect(here.length).toBeGreaterThan(12);
    await machine.sendToSelf("for the commands to show");
    for (const command of here.toSorted((a, b) => goes(a) - goes(b))) {
      const outcome = await runCommand(machine, command);
      // Doctor finds that Codex has not been asked yet whether it trusts the hooks.
      const codes = command === "peerline doctor" ? [0, 1] : [0];
      expect(codes, `${command}: ${outcome.stdout}${outcome.stderr}`).toContain(outcome.code);
      expect(outcome.stdout, command).not.toBe("");
    }
  }, 600_000);

  test("names for each other command the file that runs it", () => {
    expect(commands).toEqual(expect.arrayContaining(Object.keys(runElsewhere)));
    const missing = Object.values(runElsewhere).filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});

/** What goes is tried last: the broker first, then the entries, then all of it. */
function goes(command: string): number {
  return ["stop", "uninstall --all", "uninstall --purge"].findIndex((word) =>
    command.includes(word),
  );
}

async function runCommand(machine: DoctorMachine, command: string) {
  const me = userInfo().username;
  const line = command
    .replace("TO TEXT", `${me} hello`)
    .replace(/\bNAME\b/, me)
    // A muted person sends nothing, so that it is let again.
    .replace(/^(peerline mute) (.*)/, "$1 $2 && peerline unmute $2");
  if (!/ (-f|--wait)$/.test(line)) return machine.run("/bin/sh", ["-c", line]);
  // It goes on until it is interrupted.
  const home = machine.home;
  const env = { PATH: process.env["PATH"], HOME: home, PEERLINE_HOME: join(home, ".peerline") };
  const started = new Started(line.split(" ").slice(1), "", env);
  try {
    await started.line("for the commands to show").catch(() => started.line("hello"));
    started.interrupt();
    const ended = await started.ended;
    return { ...ended, code: ended.code === 130 ? 0 : ended.code };
  } finally {
    await started.kill();
  }
}
