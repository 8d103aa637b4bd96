import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findCheckout } from "../../src/mcp/checkout.js";
import { growthDuring, obstacles, obstruct } from "../support/obstacles.js";

describe("findCheckout", () => {
  let folder: string;

  beforeEach(async () => void (folder = await realpath(await mkdtemp(join(tmpdir(), "pl-")))));
  afterEach(async () => rm(folder, { recursive: true, force: true }));

  test("finds the root and branch from a directory below", async () => {
    git(folder, "init", "-b", "feature/login");
    await mkdir(join(folder, "src", "deep"), { recursive: true });
    expect(await findCheckout(join(folder, "src", "deep"))).toEqual({
      root: folder,
      branch: "feature/login",
    });
  });

  test("a worktree is a checkout of its own", async () => {
    const main = join(folder, "main");
    await mkdir(main);
    git(main, "init", "-b", "main");
    git(main, "commit", "--allow-empty", "-m", "first");
    git(main, "worktree", "add", "-b", "fix", join(folder, "fix"));
    expect(await findCheckout(join(folder, "fix"))).toEqual({
      root: join(folder, "fix"),
      branch: "fix",
    });
  });

  test("a detached head has no branch", async () => {
    git(folder, "init", "-b", "main");
    git(folder, "commit", "--allow-empty", "-m", "first");
    git(folder, "checkout", "--detach");
    expect(await findCheckout(folder)).toEqual({ root: folder, branch: "" });
  });

  test("a broken .git file is passed over", async () => {
    git(folder, "init", "-b", "main");
    await mkdir(join(folder, "odd"));
    await writeFile(join(folder, "odd", ".git"), "nothing of use\n");
    expect(await findCheckout(join(folder, "odd"))).toEqual({ root: folder, branch: "main" });
  });

  test.each(obstacles)("%s in the place of HEAD is passed over", async (_, put) => {
    git(folder, "init", "-b", "main");
    obstruct(join(folder, ".git", "HEAD"), put, "ref: refs/heads/main\n");
    const growth = await growthDuring(async () => {
      expect(await findCheckout(folder)).toEqual({ root: folder, branch: "" });
    });
    expect(growth).toBeLessThan(100e6);
  });

  test.each(obstacles.filter(([what]) => what !== "a directory"))(
    "%s in the place of .git is passed over",
    async (_, put) => {
      obstruct(join(folder, ".git"), put, "gitdir: elsewhere\n");
      expect(await findCheckout(folder)).toBeUndefined();
    },
  );

  test("there is none outside of one", async () => {
    expect(await findCheckout(folder)).toBeUndefined();
  });
});

function git(cwd: string, ...args: string[]): void {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  execFileSync("git", [...identity, ...args], { cwd, stdio: "ignore" });
}
