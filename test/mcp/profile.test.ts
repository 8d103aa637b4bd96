import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findCheckout } from "../../src/mcp/profile.js";
import { git } from "../support/git.js";
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
      repository: join(folder, ".git"),
    });
  });

  test("a worktree is a checkout of its own, of the same repository", async () => {
    const main = join(folder, "main");
    await mkdir(main);
    git(main, "init", "-b", "main");
    git(main, "commit", "--allow-empty", "-m", "first");
    git(main, "worktree", "add", "-b", "fix", join(folder, "fix"));
    expect(await findCheckout(join(folder, "fix"))).toEqual({
      root: join(folder, "fix"),
      branch: "fix",
      repository: join(main, ".git"),
    });
    expect((await findCheckout(main))?.repository).toBe(join(main, ".git"));
  });

  test("worktrees of a bare repository, reached by a link or not, are of one repository", async () => {
    await mkdir(join(folder, "first"));
    git(join(folder, "first"), "init", "-b", "main");
    git(join(folder, "first"), "commit", "--allow-empty", "-m", "first");
    git(folder, "clone", "--bare", "first", "shop.git");
    for (const branch of ["one", "two"]) {
      git(join(folder, "shop.git"), "worktree", "add", "-b", branch, join(folder, branch));
    }
    await symlink("shop.git", join(folder, "link.git"));
    const gitFile = await readFile(join(folder, "two", ".git"), "utf8");
    await writeFile(join(folder, "two", ".git"), gitFile.replace("shop.git", "link.git"));
    for (const branch of ["one", "two"]) {
      const root = join(folder, branch);
      const repository = join(folder, "shop.git");
      expect(await findCheckout(root)).toEqual({ root, branch, repository });
    }
  });

  test("clones of one origin are of one repository, whatever way they were fetched", async () => {
    const urls = ["git@github.com:acme/shop.git", "https://me:hunter2@GitHub.com/acme/shop/"];
    for (const [index, url] of urls.entries()) {
      const root = join(folder, String(index));
      await mkdir(root);
      git(root, "init", "-b", "main");
      git(root, "remote", "add", "upstream", "https://github.com/other/shop");
      git(root, "remote", "add", "origin", url);
      git(root, "commit", "--allow-empty", "-m", "first");
      git(root, "worktree", "add", "-b", "fix", `${root}-fix`);
      expect((await findCheckout(root))?.repository).toBe("github.com/acme/shop");
      expect((await findCheckout(`${root}-fix`))?.repository).toBe("github.com/acme/shop");
    }
  });

  test.each([
    ["a quoted origin", '[remote "origin"]\n\turl = "ssh://git@host:22/a/b.git" ; x', "host/a/b"],
    ["two origins", '[remote "origin"] url=host:a/b\r\n\turl = host:c/d', "host/a/b"],
    [
      "another's origin",
      '[remote "fork"]\nurl = host:a/b\n[branch "x"]\nurl = host:c/d',
      undefined,
    ],
    ["an origin on this machine", '[remote "origin"]\n\turl = /srv/git/shop.git', undefined],
    ["an origin that is too long", `[remote "origin"]\nurl = host:${"x".repeat(5000)}`, undefined],
    [
      "a configuration that is too large",
      `#${"x".repeat(300_000)}\n[remote "origin"]\nurl = host:a`,
      undefined,
    ],
    ["a configuration of spaces", `[remote "origin"]\n${" ".repeat(200_000)}`, undefined],
  ])("%s is read with care", async (_, text, name) => {
    git(folder, "init", "-b", "main");
    await writeFile(join(folder, ".git", "config"), text);
    const { repository } = (await findCheckout(folder)) ?? {};
    expect(repository).toBe(name ?? join(folder, ".git"));
  });

  test("a submodule is a repository of its own", async () => {
    const [part, whole] = [join(folder, "part"), join(folder, "whole")];
    for (const path of [part, whole]) {
      await mkdir(path);
      git(path, "init", "-b", "main");
      git(path, "commit", "--allow-empty", "-m", "first");
    }
    git(whole, "-c", "protocol.file.allow=always", "submodule", "add", part, "part");
    expect(await findCheckout(join(whole, "part"))).toMatchObject({
      root: join(whole, "part"),
      repository: join(whole, ".git", "modules", "part"),
    });
  });

  test.each([
    ["a path longer than any", `${"x/".repeat(3000)}\n`, ""],
    ["no path", "\0\n", expect.stringContaining(".git")],
  ])("%s in the place of the common directory's does no harm", async (_, text, repository) => {
    git(folder, "init", "-b", "main");
    await writeFile(join(folder, ".git", "commondir"), text);
    expect(await findCheckout(folder)).toEqual({ root: folder, branch: "main", repository });
  });

  test("a detached head has no branch", async () => {
    git(folder, "init", "-b", "main");
    git(folder, "commit", "--allow-empty", "-m", "first");
    git(folder, "checkout", "--detach");
    expect(await findCheckout(folder)).toMatchObject({ root: folder, branch: "" });
  });

  test("a broken .git file is passed over", async () => {
    git(folder, "init", "-b", "main");
    await mkdir(join(folder, "odd"));
    await writeFile(join(folder, "odd", ".git"), "nothing of use\n");
    expect(await findCheckout(join(folder, "odd"))).toMatchObject({ root: folder, branch: "main" });
  });

  test.each(obstacles)("%s in the place of git's files is passed over", async (_, put) => {
    git(folder, "init", "-b", "main");
    const repository = join(folder, ".git");
    obstruct(join(repository, "HEAD"), put, "ref: refs/heads/main\n");
    obstruct(join(repository, "commondir"), put, "..\n");
    const growth = await growthDuring(async () => {
      expect(await findCheckout(folder)).toEqual({ root: folder, branch: "", repository });
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
