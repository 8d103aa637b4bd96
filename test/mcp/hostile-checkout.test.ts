import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { git } from "../support/git.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { cannotRead, readProcess } from "../support/process-reading.js";
import { TestHome } from "./test-home.js";

test("an agent in a checkout with anything in the place of HEAD joins the others, and stays small", async () => {
  await using home = await TestHome.open();
  const folder = await realpath(await mkdtemp(join(tmpdir(), "pl-checkout-")));
  try {
    const agents = [];
    for (const [index, [, put]] of obstacles.entries()) {
      const cwd = join(folder, `of${index}`);
      await mkdir(cwd);
      git(cwd, "init", "-b", "main");
      obstruct(join(cwd, ".git", "HEAD"), put, "ref: refs/heads/main\n");
      agents.push(await home.start("", { cwd }));
    }
    const names = await Promise.all(
      agents.map(async (agent) => (await agent.facts("list_peers")).you.name),
    );
    expect(names).toEqual(obstacles.map((_, index) => `of${index}`));
    if (cannotRead !== undefined) return;
    for (const { pid } of agents) expect(readProcess(pid).peakMiB).toBeLessThan(250);
  } finally {
    await rm(folder, { recursive: true });
  }
});
