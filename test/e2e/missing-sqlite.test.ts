import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestHome } from "../mcp/test-home.js";
import { installCopy } from "../support/installed-copy.js";
import { program, run } from "../support/program.js";

const packages = join(dirname(dirname(program)), "node_modules");

describe("an installation without SQLite's native part", () => {
  let home: TestHome;
  let copy: string;

  beforeEach(async () => {
    home = await TestHome.open();
    copy = installCopy(join(home.path, "copy"));
    const installed = join(dirname(dirname(copy)), "node_modules");
    rmSync(installed);
    mkdirSync(join(installed, "@libsql"), { recursive: true });
    // A link would find the native part where it leads.
    cpSync(join(packages, "libsql"), join(installed, "libsql"), { recursive: true });
    for (const name of ["@neon-rs", "detect-libc"]) {
      symlinkSync(join(packages, name), join(installed, name));
    }
  });
  afterEach(() => home[Symbol.asyncDispose]());

  const peerline = (...args: string[]) =>
    run(process.execPath, [copy, ...args], {
      PATH: process.env["PATH"],
      HOME: home.path,
      PEERLINE_HOME: home.path,
    });

  const fix = /Install Peerline again on this system, .*: npm install --include=optional\./;

  test.each(["read", "broker", "doctor"])(
    "is named by `peerline %s`, with the fix",
    async (verb) => {
      const { code, stderr } = await peerline(verb);
      expect(code).toBe(1);
      expect(stderr).toMatch(/is not installed: the package @libsql\/\S+ is missing\. /);
      expect(stderr).toMatch(fix);
      expect(stderr).not.toContain("defect");
    },
  );

  test("is told by another's, which does not load", async () => {
    const folder = join(dirname(dirname(copy)), "node_modules/@libsql");
    for (const name of readdirSync(join(packages, "@libsql"))) {
      cpSync(join(packages, "@libsql", name), join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, "index.node"), "of another system");
    }
    const { code, stderr } = await peerline("read");
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be loaded: \S+index\.node: /);
    expect(stderr).toMatch(fix);
  });
});
