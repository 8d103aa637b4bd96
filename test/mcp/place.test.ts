import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { git } from "../support/git.js";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";

describe("where agents work", () => {
  let home: TestHome;
  let main: string;
  let fix: string;

  beforeEach(async () => {
    home = await TestHome.open();
    main = join(home.path, "work", "main");
    fix = join(home.path, "work", "fix");
    await mkdir(main, { recursive: true });
    git(main, "init", "-b", "main");
    git(main, "commit", "--allow-empty", "-m", "first");
    git(main, "worktree", "add", "-b", "fix", fix);
  });
  afterEach(async () => home[Symbol.asyncDispose]());

  test("is one repository in two of its worktrees", async () => {
    const [api, web] = await startIn(main, fix);
    await home.start("stranger", { cwd: home.path });
    for (const [agent, other] of [[api, "web"] as const, [web, "api"] as const]) {
      const { peers } = await agent.facts("list_peers", { scope: "repository" });
      expect(peers).toMatchObject([{ name: other }]);
    }
  });

  test("is told anew with any call after a branch was switched", async () => {
    const [api, web] = await startIn(main, fix);
    await expectBranch(web, "main");
    git(main, "switch", "-c", "feature");
    await api.facts("get_messages");
    await expectBranch(web, "feature");
    git(main, "checkout", "--detach");
    await api.failure("send_message", { to: "nobody", message: "x" });
    await expectBranch(web, undefined);
  });

  async function startIn(...folders: [string, string]): Promise<[api: Agent, web: Agent]> {
    const api = await home.start("api", { cwd: folders[0] });
    const web = await home.start("web", { cwd: folders[1] });
    await Promise.all([api, web].map((agent) => agent.facts("list_peers")));
    return [api, web];
  }
});

async function expectBranch(agent: Agent, branch: string | undefined): Promise<void> {
  await eventually(async () => {
    const { peers } = await agent.facts("list_peers");
    expect(peers[0].branch).toBe(branch);
  });
}
