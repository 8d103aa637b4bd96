import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { chooseBrokerCommand } from "../../src/endpoint/broker-command.js";
import { brokerNodeFlags } from "../../src/endpoint/limits.js";
import { temporaryDirectory } from "./temporary-directory.js";

const never = new AbortController().signal;
let folder: string;
let bin: string;
let own: { node: string; program: string };

beforeEach(() => {
  folder = realpathSync(temporaryDirectory());
  bin = join(folder, "bin");
  mkdirSync(bin);
  own = { node: join(folder, "own-node"), program: join(folder, "own-peerline.js") };
});

function write(path: string, text: string): string {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

/** Stands for a Node of a version. */
const node = (version: string) => `#!/bin/sh\necho ${version}\n`;
const script = "#!/usr/bin/env node\n";

function choose(path = bin) {
  return chooseBrokerCommand({ ...own, environment: { PATH: path }, signal: never });
}

test("is this process's own, whatever is on PATH", async () => {
  write(own.node, node("v22.0.0"));
  write(own.program, script);
  write(join(bin, "node"), node("v24.0.0"));
  write(join(bin, "peerline"), script);
  expect(await choose()).toEqual({ file: own.node, args: [...brokerNodeFlags, own.program] });
});

test("is the peerline on PATH where the program is gone, on this process's Node", async () => {
  write(own.node, node("v22.0.0"));
  const installed = write(join(folder, "new-peerline.js"), script);
  symlinkSync(installed, join(bin, "peerline"));
  expect(await choose()).toEqual({ file: own.node, args: [...brokerNodeFlags, installed] });
});

test("is a peerline that is no script for Node, as it is", async () => {
  const shim = write(join(bin, "peerline"), "#!/bin/sh\nexec something\n");
  expect(await choose()).toEqual({ file: shim, args: [] });
});

test("is the node on PATH where this process's is gone", async () => {
  write(own.program, script);
  const other = write(join(bin, "node"), node("v20.19.0"));
  expect(await choose()).toEqual({ file: other, args: [...brokerNodeFlags, own.program] });
});

test.each(["v20.18.1", "v8.0.0", "nonsense"])("is no node on PATH that says %s", async (says) => {
  write(own.program, script);
  write(join(bin, "node"), node(says));
  const error = await choose().catch((error: unknown) => error);
  expect(error).toMatchObject({ code: "BROKER_START_FAILED" });
  expect(String(error)).toContain(`${own.node} is gone`);
  expect(String(error)).toContain(join(bin, "node"));
  expect(String(error)).toContain("20.19 or newer");
});

test.each(["peerline", "node"])(
  "names the file that is gone where %s is not on PATH",
  async (name) => {
    write(name === "node" ? own.program : own.node, script);
    const gone = name === "node" ? own.node : own.program;
    await expect(choose()).rejects.toThrow(
      `${gone} is gone, as after an upgrade, and there is no \`${name}\` on PATH`,
    );
  },
);

test("looks in no folder that is relative to where it happens to run", async () => {
  write(own.node, node("v22.0.0"));
  await expect(choose(".:bin::")).rejects.toThrow("is gone");
});

test("gives each Node that runs here flags that it knows", () => {
  const told = execFileSync(process.execPath, [...brokerNodeFlags, "-p", "1"]);
  expect(told.toString()).toBe("1\n");
});
