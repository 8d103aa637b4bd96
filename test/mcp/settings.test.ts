import { join } from "node:path";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { TestHome } from "./test-home.js";

let home: TestHome;
beforeAll(async () => void (home = await TestHome.open()));
afterAll(() => home[Symbol.asyncDispose]());

describe("a setting that cannot be used ends no adapter: the agent is told", () => {
  const long = `/${"s".repeat(120)}`;
  test.each<[string, Record<string, string>]>([
    ["PEERLINE_HOME=relative", { PEERLINE_HOME: "relative" }],
    ["PEERLINE_HOME=~/x", { PEERLINE_HOME: "~/x" }],
    ["PEERLINE_HOME", { PEERLINE_HOME: long }],
    ["PEERLINE_BROKER=tcp:localhost:7000", { PEERLINE_BROKER: "tcp:localhost:7000" }],
    ["PEERLINE_BROKER=unix:relative", { PEERLINE_BROKER: "unix:relative" }],
    ["PEERLINE_BROKER", { PEERLINE_BROKER: `unix:${long}` }],
  ])("%s", async (named, env) => {
    await using raw = new RawAgent(home.path, env);
    raw.write(initialize, initialized, { jsonrpc: "2.0", id: 2, method: "tools/list" });
    await raw.answer(1);
    expect((await raw.answer(2)).result.tools).toHaveLength(6);
    raw.write(toolCall(3, "list_peers"), toolCall(4, "send_message", { to: "api", message: "x" }));
    for (const id of [3, 4]) {
      const { result } = await raw.answer(id);
      expect(result).toMatchObject({ isError: true });
      expect(result.content[0].text).toContain(named);
    }
    await eventually(() => expect(raw.log).toContain(named));
    expect(raw.child.exitCode).toBeNull();
    raw.child.stdin.end();
    expect(await raw.end()).toMatchObject({ code: 0 });
  });

  test("arguments that `peerline mcp` does not take", async () => {
    await using raw = new RawAgent(home.path, {}, [
      process.execPath,
      program,
      "mcp",
      "--name",
      "api",
    ]);
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    expect((await raw.answer(1)).result.instructions).toContain("--name api");
    expect((await raw.answer(2)).result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("PEERLINE_NAME") }],
    });
  });
});

describe("the name that is asked for", () => {
  test.each([
    ["Back End", "back-end", 'PEERLINE_NAME was "Back End"'],
    ["Müller", "muller", 'PEERLINE_NAME was "Müller"'],
    ["@web", "web", 'PEERLINE_NAME was "@web"'],
    ["plain", "plain", undefined],
  ])("%s is normalised, and the agent is told once", async (written, name, note) => {
    await using agent = await home.start(written);
    const first = await agent.facts("list_peers");
    expect(first.you).toEqual({ name });
    if (note === undefined) expect(first.note).toBeUndefined();
    else expect(first.note).toContain(`you are ${name}: ${note}`);
    expect((await agent.facts("list_peers")).note).toBeUndefined();
  });

  test("is no agent's where it looks like an id, and the agent gets what would do", async () => {
    await using agent = await home.start("DeadBeef");
    const { you, note } = await agent.facts("list_peers");
    expect(you).toEqual({ name: "deadbeef-agent" });
    expect(note).toContain("you are deadbeef-agent, since PEERLINE_NAME=DeadBeef looks like an id");
  });

  test.each([
    ["human", "human-agent", '"human-agent" would do'],
    ["U_ser", "u_ser-agent", '"u_ser-agent" would do'],
    ["後端", "proj", "nothing that a name may have"],
    ["\u0430pi", "proj", '"pi" would do'],
  ])("%s is refused, and the agent is %s and told why", async (written, name, why) => {
    const cwd = join(home.path, "proj");
    await mkdir(cwd, { recursive: true });
    await using agent = await home.start(written, { cwd });
    const { you, note } = await agent.facts("list_peers");
    expect(you.name.replace(/-\d$/, "")).toBe(name);
    expect(note).toContain(`you are ${you.name}, since PEERLINE_NAME=${written}`);
    expect(note).toContain(why);
  });

  test("set_name has the same rule", async () => {
    await using agent = await home.start("renamed");
    expect(await agent.facts("set_name", { name: "Data Bäse" })).toMatchObject({
      name: "data-base",
      note: expect.stringContaining('`name` was "Data Bäse"'),
    });
    expect(await agent.facts("set_name", { name: "base" })).not.toHaveProperty("note");
    for (const name of ["User", "assistant", "@peerline", "system-2"]) {
      expect(await agent.failure("set_name", { name })).toMatch(/^`name` is reserved.*would do\.$/);
    }
    expect(await agent.failure("set_name", { name: "\u0430pi" })).toContain('"pi" would do');
  });

  test("a directory with a reserved name makes a name all the same, and again the same", async () => {
    const cwd = join(home.path, "system");
    await mkdir(cwd, { recursive: true });
    await writeFile(join(cwd, "file"), "");
    for (const _ of [1, 2]) {
      await using agent = await home.start("", { cwd });
      const { you, note } = await agent.facts("list_peers");
      expect([you.name, note]).toEqual(["system-agent", undefined]);
    }
  });
});
