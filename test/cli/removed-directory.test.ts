import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Finding } from "../../src/cli/doctor/finding.js";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { program, run } from "../support/program.js";
import { eventually } from "../support/test-broker.js";

test("the commands of a person work in a directory that was removed", async () => {
  const home = newHome();
  for (const args of [
    ["read"],
    ["status"],
    ["peers"],
    ["log"],
    ["install", "claude", "--dry-run"],
  ]) {
    expect(await runRemoved(home, args), args.join(" ")).toMatchObject({ code: 0, stderr: "" });
  }
  const listed = await runRemoved(home, ["peers", "--json"]);
  const { peers } = JSON.parse(listed.stdout) as { peers: [{ name: string }] };
  const sent = await runRemoved(home, ["send", peers[0].name, "hello"]);
  expect(sent).toMatchObject({ code: 0, stderr: "" });
  expect((await runRemoved(home, ["read"])).stdout).toContain("hello");
});

test.each(["install", "uninstall"])("%s says that there is no project", async (command) => {
  const args = [command, "claude", "--scope", "project"];
  const { code, stderr } = await runRemoved(newHome(), args);
  expect(code).toBe(1);
  expect(stderr).toBe(
    "peerline: The directory you are in was removed: go to the project's, and run it there.\n",
  );
});

test("the doctor looks at everything else, and says so", async () => {
  const { code, stdout, stderr } = await runRemoved(newHome(), ["doctor", "--json"]);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  expect([code, stderr]).toEqual([1, ""]);
  expect(findings[0]).toMatchObject({ id: "directory-removed", severity: "warning" });
  expect(findings.map(({ id }) => id)).toEqual(expect.arrayContaining(["program", "disk"]));
});

test("a relative path in a host's variable is named", async () => {
  const env = { CODEX_HOME: "there/codex" };
  const { code, stderr } = await runRemoved(newHome(), ["install", "codex"], env);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^peerline: CODEX_HOME=there\/codex is relative, and .* removed/);
});

test("an agent sends and reads, under a name of its own, and knows no directory", async () => {
  const home = newHome();
  // The second starts when the first has ended, and does not become the first.
  for (const name of ["peer", "peer-2"]) {
    await using agent = new RawAgent(home, { HOME: home, PEERLINE_HOME: "" }, removed(["mcp"]));
    agent.write(
      initialize,
      initialized,
      toolCall(2, "list_peers"),
      toolCall(3, "list_peers", { scope: "repository" }),
      toolCall(4, "set_summary", { summary: "cleaning up" }),
    );
    expect((await agent.answer(2)).result.structuredContent.you).toEqual({ name });
    expect((await agent.answer(3)).result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^Your working directory was removed.* scope/) }],
    });
    expect((await agent.answer(4)).result.isError).toBeUndefined();
    await eventually(() => expect(agent.log).toContain("the working directory was removed"));
    expect(agent.log).not.toContain("defect");
    const ended = agent.end();
    agent.child.stdin.end();
    expect((await ended).code).toBe(0);
  }
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "pl-"));
  onTestFinished(async () => {
    await run(process.execPath, [program, "stop"], environment(home));
    rmSync(home, { recursive: true, force: true });
  });
  return home;
}

function environment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: home };
}

/** A command that runs peerline in a directory that is removed before it starts. */
function removed(args: readonly string[]): string[] {
  const script = `d=$(mktemp -d) && cd "$d" && rmdir "$d" && exec "$0" "$@"`;
  return ["/bin/sh", "-c", script, process.execPath, program, ...args];
}

function runRemoved(home: string, args: readonly string[], env = {}) {
  const [command = "", ...rest] = removed(args);
  return run(command, rest, { ...environment(home), ...env });
}
