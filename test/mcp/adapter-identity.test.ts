import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import type { Agent } from "./agent.js";
import { TestHome } from "./test-home.js";

describe("the identity of an agent", () => {
  let home: TestHome;

  beforeEach(async () => void (home = await TestHome.open()));
  afterEach(async () => home[Symbol.asyncDispose]());

  test("is named for its project where nobody names it, and numbered where that is taken", async () => {
    const project = join(home.path, "My Shop");
    await mkdir(join(project, ".git"), { recursive: true });
    const first = await home.start("", { cwd: project });
    expect(await nameOf(first)).toBe("my-shop");
    const second = await home.start("", { cwd: project });
    expect(await nameOf(second)).toBe("my-shop-2");
    await first[Symbol.asyncDispose]();
    const third = await home.start("", { cwd: project });
    expect(await nameOf(third)).toBe("my-shop");
  });

  test("a resumed conversation is the agent it was, with its name and mail", async () => {
    const first = await home.start("", claude("session-a"));
    await first.facts("set_name", { name: "backend" });
    const other = await home.start("", claude("session-b"));
    await other.facts("set_name", { name: "other" });
    await first[Symbol.asyncDispose]();
    await other.facts("send_message", { to: "backend", message: "for session a" });

    const resumed = await home.start("", claude("session-a"));
    expect(await nameOf(resumed)).toBe("backend");
    const { messages } = await resumed.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "for session a" }]);
  });

  test("a conversation that is opened a second time takes over, and the first one says so", async () => {
    const first = await home.start("backend", claude("session-a"));
    await nameOf(first);
    const second = await home.start("backend", claude("session-a"));
    expect(await nameOf(second)).toBe("backend");
    await eventually(async () => {
      expect(await first.failure("list_peers")).toMatch(
        /^A newer session of this conversation took over backend/,
      );
    });
    expect(await nameOf(second)).toBe("backend");
  });

  test("an agent that was taken over is told so in every result, and of no mail that it cannot get", async () => {
    const first = await home.start("backend", claude("session-a"));
    await nameOf(first);
    const web = await home.start("web");
    await web.facts("send_message", { to: "backend", message: "for whoever is backend" });
    await eventually(async () => expect((await first.facts("list_peers")).unread).toBe(1));
    const second = await home.start("backend", claude("session-a"));
    expect(await nameOf(second)).toBe("backend");
    for (const [tool, parameters] of [
      ["list_peers", {}],
      ["get_messages", {}],
      ["get_messages", { wait_ms: "soon" }],
      ["send_message", { to: "web", message: "x" }],
      ["set_name", { name: "other" }],
    ] as const) {
      await eventually(async () => {
        const sentence = await first.failure(tool, parameters);
        expect(sentence).toMatch(/took over backend.*restarting this MCP server takes it back/);
        expect(sentence).not.toContain("unread");
      });
    }
    const { messages } = await second.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "for whoever is backend" }]);
  });

  test("a wait that is under way when another session takes over ends with that", async () => {
    const first = await home.start("backend", claude("session-a"));
    await nameOf(first);
    const waiting = first.failure("get_messages", { wait_ms: 50_000 });
    await home.start("backend", claude("session-a"));
    expect(await waiting).toContain("took over backend");
  });

  test("another program's inherited session id counts for nothing", async () => {
    const first = await home.start("", claude("session-a"));
    const name = await nameOf(first);
    const child = await home.start("", { ...claude("session-a"), clientName: "some-other-host" });
    expect(await nameOf(child)).toBe(`${name}-2`);
    expect(await nameOf(first)).toBe(name);
  });

  test("a Codex thread gets back the agent it had, once it is named by the first call", async () => {
    const codex = { clientName: "codex-mcp-client" };
    const first = await home.start("", codex);
    await first.facts("set_name", { name: "coder" }, { meta: { threadId: "t-1" } });
    // Another agent keeps the project's free names taken, so that a new peer is made at first.
    await first[Symbol.asyncDispose]();
    const squatter = await home.start("", { clientName: "test-host" });
    expect(await nameOf(squatter)).toBe("coder");
    await squatter[Symbol.asyncDispose]();

    const resumed = await home.start("", codex);
    expect(await nameOf(resumed, "t-1")).toBe("coder");
    expect(await nameOf(resumed, "subagent")).toBe("coder");
  });

  test("a peer that was made for a Codex thread which had one is removed, with its secret", async () => {
    const codex = { clientName: "codex-mcp-client" };
    const first = await home.start("coder", codex);
    expect(await nameOf(first, "t-1")).toBe("coder");
    await first[Symbol.asyncDispose]();
    const second = await home.start("reviewer", { ...codex, cwd: "/" });
    expect(await nameOf(second, "t-2")).toBe("reviewer");

    const resumed = await home.start("visitor", { ...codex, cwd: "/" });
    await eventually(async () => {
      const { peers } = await second.facts("list_peers");
      expect(peers.map((peer: { name: string }) => peer.name)).toContain("visitor");
    });
    const { you, note } = await resumed.facts("list_peers", {}, { meta: { threadId: "t-1" } });
    expect(you.name).toBe("coder");
    expect(note).toMatch(/^you are coder/);
    const { peers } = await second.facts("list_peers");
    expect(peers.map((peer: { name: string }) => peer.name)).toEqual(["coder"]);
    expect(await readdir(join(home.path, "peers"))).toHaveLength(2);
  });

  test("a large message reaches a host that cuts results in numbered parts, presented with the last", async () => {
    const codex = await home.start("coder", { clientName: "codex-mcp-client" });
    await nameOf(codex, "t");
    const web = await home.start("web");
    const text = "line of text\n".repeat(1250);
    const { message_id } = await web.facts("send_message", { to: "coder", message: text });
    const parts: { part: string; text: string }[] = [];
    for (let count = 1; count > 0;) {
      const options = { meta: { threadId: "t" } };
      const { messages, unread } = await codex.facts("get_messages", { wait_ms: 20_000 }, options);
      parts.push(...messages);
      const { receipts } = await web.facts("message_status", { message_id });
      if (unread > 0) expect(receipts).toMatchObject([{ state: "leased" }]);
      count = unread;
    }
    expect(parts.map(({ part }) => part)).toEqual(["1/2", "2/2"]);
    expect(parts.map((part) => part.text).join("")).toBe(text);
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id });
      expect(receipts).toMatchObject([{ state: "presented" }]);
    });
  });
});

/** How Claude Code starts its servers. */
function claude(sessionId: string) {
  return { clientName: "claude-code", env: { CLAUDE_CODE_SESSION_ID: sessionId } };
}

/** The agent's name, by a call that names a thread as Codex does, or none. */
async function nameOf(agent: Agent, threadId?: string): Promise<string> {
  const options = threadId === undefined ? {} : { meta: { threadId } };
  return (await agent.facts("list_peers", {}, options)).you.name;
}
