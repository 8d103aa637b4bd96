import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { program, run } from "../support/program.js";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "dist");

test("what was built may be executed: a global installation of a checkout links to it", () => {
  expect(isExecutable(program)).toBe(true);
});

test("the program holds all that it imports, but what is no JavaScript", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pl-alone-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(dist, join(folder, "dist"), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(root, "node_modules/libsql"), join(folder, "node_modules/libsql"));
  const env = { PATH: process.env["PATH"], HOME: folder };
  const demo = await run(process.execPath, [join(folder, "dist/peerline.js"), "demo"], env);
  expect(demo, demo.stderr).toMatchObject({ code: 0 });
});

test("what answers an agent's host is one small file, with nothing in it that needs a broker", () => {
  const bytes = startedWith("mcp").length;
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(200_000);
  const parts = {
    "MCP's SDK": "io.modelcontextprotocol/related-task",
    zod: "$ZodObject",
    "grpc-js": "grpc-node-js",
    protobuf: "google.protobuf",
    ajv: "http://json-schema.org/draft-07/schema#/",
  };
  const held = (text: string) =>
    Object.entries(parts).flatMap(([name, sign]) => (text.includes(sign) ? [name] : []));
  expect(held(startedWith("mcp"))).toEqual(["MCP's SDK", "zod"]);
  expect(held(startedWith("adapter"))).toEqual(["MCP's SDK", "zod", "grpc-js", "protobuf"]);
});

/** The text of a part of the program, with all that is loaded at once with it. */
function startedWith(part: string): string {
  const chunks = join(dist, "chunks");
  const first = readdirSync(chunks).filter((name) => name.startsWith(`${part}-`));
  const loaded = new Map<string, string>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    const text = readFileSync(join(chunks, name), "utf8");
    loaded.set(name, text);
    for (const [, other = ""] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) load(other);
  };
  for (const name of first) load(name);
  return [...loaded.values()].join("\n");
}

test("the client for programs shares protobuf and grpc-js with whoever imports it", () => {
  const text = readFileSync(join(dist, "index.js"), "utf8");
  const specifiers = [...text.matchAll(/^import .*from "([^"]+)";$/gm)].map(
    ([, name = ""]) => name,
  );
  const packages = specifiers
    .filter((name) => !isBuiltin(name))
    .map((name) => name.split("/", 2).join("/"));
  expect([...new Set(packages)].toSorted()).toEqual(["@bufbuild/protobuf", "@grpc/grpc-js"]);
});

test("every package inside is named with a text of its licence", () => {
  const entries = readFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), "utf8").split(
    `${"-".repeat(72)}\n`,
  );
  const texts = new Map(
    entries
      .filter((entry) => entry.trim() !== "")
      .map((entry) => {
        const [, name = "", text = ""] = /^\s*(\S+) \S+ \(.+\)\n([^]*)$/.exec(entry) ?? [];
        return [name, text];
      }),
  );
  for (const name of ["@grpc/grpc-js", "@bufbuild/protobuf", "@js-sdsl/ordered-map", "pino"]) {
    expect([...texts.keys()]).toContain(name);
  }
  for (const [name, text] of texts) expect(text, name).toMatch(/copyright|licen[cs]e/i);
});

test("a build over a build leaves nothing of it, and the program is there all the time", async () => {
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
});

test("npm run demo builds without a word, and says why where it cannot", async () => {
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
});

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
