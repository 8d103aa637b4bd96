import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import { textOf } from "./agent.js";
import { TestHome } from "./test-home.js";

describe("peerline mcp", () => {
  let home: TestHome;

  beforeEach(async () => void (home = await TestHome.open()));
  afterEach(async () => home[Symbol.asyncDispose]());

  test("two agents find each other by name, and exchange a question and an answer", async () => {
    const [api, web] = await home.startAll("api", "web");
    const { you, peers } = await web.facts("list_peers");
    expect(you).toEqual({ name: "web" });
    expect(peers).toMatchObject([
      { name: "api", client: "test-host", online: true, reach: "next_turn" },
    ]);

    const sent = await web.facts("send_message", { to: "api", message: "Is <uuid> a string?" });
    expect(sent).toMatchObject({ recipients: [{ name: "api", reach: "next_turn" }], unread: 0 });

    const got = await api.facts("get_messages", { wait_ms: 20_000 });
    expect(got.messages).toMatchObject([
      { id: sent.message_id, from: { name: "web" }, text: "Is &lt;uuid> a string?" },
    ]);
    await api.facts("send_message", { to: "web", message: "Yes.", in_reply_to: sent.message_id });
    const answer = await web.facts("get_messages", { wait_ms: 20_000 });
    expect(answer.messages).toMatchObject([{ text: "Yes.", in_reply_to: sent.message_id }]);
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id: sent.message_id });
      expect(receipts).toMatchObject([{ name: "api", state: "answered" }]);
      expect(receipts[0].presented_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    });
  });

  test("mail for an agent that is away is stored, and is there when it returns", async () => {
    const api = await home.start("api");
    const web = await home.start("web");
    await web.facts("list_peers");
    await web[Symbol.asyncDispose]();
    await eventually(async () => {
      const { peers } = await api.facts("list_peers");
      expect(peers).toMatchObject([{ name: "web", online: false, reach: "stored" }]);
    });
    const sent = await api.facts("send_message", { to: ["web"], message: "while you were out" });
    expect(sent.recipients).toEqual([{ name: "web", state: "queued", reach: "stored" }]);
    expect((await api.facts("list_peers")).peers).toMatchObject([{ name: "web", waiting: 1 }]);

    const back = await home.start("web");
    const { messages, unread } = await back.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "while you were out" }]);
    expect(messages[0].redelivered).toBeUndefined();
    expect(unread).toBe(0);
  });

  test("every result tells what is unread, and peek counts it without reading", async () => {
    const [api, web] = await home.startAll("api", "web");
    for (const message of ["one", "two"]) await web.facts("send_message", { to: "api", message });
    await eventually(async () => {
      expect(await api.facts("set_summary", { summary: "auth" })).toEqual({
        name: "api",
        summary: "auth",
        unread: 2,
        unread_from: ["web"],
      });
    });
    const peeked = await api.facts("get_messages", { peek: true });
    expect(peeked).toEqual({
      senders: [{ name: "web", count: 2 }],
      unread: 2,
      unread_from: ["web"],
    });
    const first = await api.facts("get_messages", { limit: "1", from: "web" });
    expect(first).toMatchObject({ messages: [{ text: "one" }], more: true, unread: 1 });
    expect(await api.failure("get_messages", { from: "nobody" })).toContain("no peer is named");
    const second = await api.facts("get_messages");
    expect(second).toMatchObject({ messages: [{ text: "two" }], unread: 0 });
    expect(second.more).toBeUndefined();
  });

  test("the text of a result says the same as its structure", async () => {
    const api = await home.start("api");
    const result = await api.call("list_peers");
    expect(JSON.parse(textOf(result))).toEqual(result.structuredContent);
  });

  test("a wait ends the moment mail comes, and says that it lives meanwhile if asked to", async () => {
    const [api, web] = await home.startAll("api", "web");
    const progress: number[] = [];
    const waiting = api.facts(
      "get_messages",
      { wait_ms: 50_000 },
      { onprogress: (update) => progress.push(update.progress) },
    );
    await eventually(() => expect(progress.length).toBeGreaterThan(0));
    await web.facts("send_message", { to: "api", message: "now" });
    // The test's own time is over sooner than the wait's.
    expect((await waiting).messages).toMatchObject([{ text: "now" }]);
  });

  test("a wait that is cancelled loses nothing", async () => {
    const [api, web] = await home.startAll("api", "web");
    const cancel = new AbortController();
    const waiting = api.call("get_messages", { wait_ms: 50_000 }, { signal: cancel.signal });
    cancel.abort();
    await expect(waiting).rejects.toThrow();
    await web.facts("send_message", { to: "api", message: "still here" });
    const { messages } = await api.facts("get_messages", { wait_ms: 20_000 });
    expect(messages).toMatchObject([{ text: "still here" }]);
    expect(messages[0].redelivered).toBeUndefined();
  });

  test("a message is presented when the host has the result, and confirmed by its next call", async () => {
    const [api, web] = await home.startAll("api", "web");
    const { message_id } = await web.facts("send_message", { to: "api", message: "hi" });
    const status = async () => {
      const { receipts } = await web.facts("message_status", { message_id });
      return receipts[0];
    };
    await eventually(async () => expect((await status()).state).toBe("leased"));
    await api.facts("get_messages", { wait_ms: 20_000 });
    await eventually(async () => expect((await status()).state).toBe("presented"));
    await api.facts("list_peers");
    await eventually(async () => {
      expect(await status()).toMatchObject({ state: "confirmed", confirmed_by: "next_call" });
    });
  });

  test("takes a name and a summary, and refuses a name that is taken with a free one", async () => {
    const [api, web] = await home.startAll("api", "web");
    expect(await api.facts("set_name", { name: "Backend Engineer" })).toMatchObject({
      name: "backend-engineer",
    });
    await api.facts("set_summary", { summary: "moving ids to uuid" });
    expect((await web.facts("list_peers")).peers).toMatchObject([
      { name: "backend-engineer", summary: "moving ids to uuid" },
    ]);
    const refusal = await web.failure("set_name", { name: "backend-engineer" });
    expect(refusal).toMatch(/^`name`: "backend-engineer" .*backend-engineer-2/);
  });

  test("an agent whose name is in use is told the one it got, once", async () => {
    const first = await home.start("api");
    await first.facts("list_peers");
    const second = await home.start("api");
    const { you, note } = await second.facts("list_peers");
    expect(you).toEqual({ name: "api-2" });
    expect(note).toBe("you are api-2: api is another agent");
    expect((await second.facts("list_peers")).note).toBeUndefined();
  });

  test("a wrong call is answered with the parameter and the fix", async () => {
    const [api] = await home.startAll("api", "web");
    const cases: [string, Record<string, unknown>, RegExp][] = [
      ["send_message", { to: "wbe", message: "x" }, /^`to`: .*wbe.*web.*list_peers/],
      [
        "send_message",
        { to: "web", message: "x".repeat(16_385) },
        /^`message` has 16385 bytes.*file/,
      ],
      ["send_message", { to: "web", message: "\ud800" }, /^`message` contains half of a character/],
      [
        "send_message",
        { to: "web", message: "x", expires_in: "soon" },
        /^`expires_in` cannot be "soon"/,
      ],
      ["send_message", { to: "web", message: "x", expires_in: "999d" }, /^`expires_in`/],
      [
        "send_message",
        { to: "web", message: "x", in_reply_to: "ffffffff" },
        /^`in_reply_to`: .*get_messages/,
      ],
      [
        "send_message",
        { to: "web", text: "x", thread: "y" },
        /^`thread` is not a parameter: send_message/,
      ],
      ["message_status", { message_id: "ffffffff" }, /^`message_id`: /],
      ["get_messages", { wait_ms: "soon" }, /^`wait_ms` cannot be "soon"/],
      ["set_summary", { summary: "x".repeat(501) }, /^`summary` has 501 bytes/],
      ["set_name", { name: "???" }, /^`name` holds nothing that a name may have/],
    ];
    for (const [tool, parameters, sentence] of cases) {
      expect(await api.failure(tool, parameters)).toMatch(sentence);
    }
    await expect(api.call("send_mail")).rejects.toThrow(
      /There is no tool "send_mail".*send_message/,
    );
  });

  test("hosts are told that no tool is dangerous, and which only reads", async () => {
    const api = await home.start("api");
    const { tools } = await api.client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual([
      "list_peers",
      "send_message",
      "get_messages",
      "message_status",
      "set_summary",
      "set_name",
    ]);
    for (const tool of tools) {
      expect(tool.annotations).toMatchObject({ destructiveHint: false, openWorldHint: false });
      expect(tool["_meta"]).toEqual({ "anthropic/alwaysLoad": true });
      expect(tool.description?.length).toBeLessThan(400);
    }
    const readOnly = tools.filter((tool) => tool.annotations?.readOnlyHint === true);
    expect(readOnly.map((tool) => tool.name)).toEqual(["list_peers", "message_status"]);
    expect(Buffer.byteLength(api.client.getInstructions() ?? "")).toBeLessThan(2000);
  });

  test("loads neither SQLite nor the broker", async () => {
    const api = await home.start("api");
    // What it needs for a call is loaded by then.
    await api.facts("list_peers");
    const maps = await readFile(`/proc/${api.pid}/maps`, "utf8");
    expect(maps).not.toMatch(/sqlite|libsql/i);
  });

  test("leaves one secret for each peer, and none for processes", async () => {
    for (let round = 0; round < 3; round++) {
      const agent = await home.start("api");
      await agent.facts("list_peers");
      await agent[Symbol.asyncDispose]();
    }
    expect(await readdir(join(home.path, "peers"))).toHaveLength(1);
  });
});
