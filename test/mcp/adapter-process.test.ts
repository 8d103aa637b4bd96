import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { callTimeoutMs, closeTimeoutMs } from "../../src/mcp/limits.js";
import { eventually } from "../support/test-broker.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { TestHome } from "./test-home.js";

describe("the process of peerline mcp", () => {
  let home: TestHome;
  let raw: RawAgent;

  beforeEach(async () => void (home = await TestHome.open()));
  afterEach(async () => {
    await raw[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  test("writes nothing but JSON-RPC on standard output, whatever comes in", async () => {
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized);
    raw.write("", "not json", "{}", "[]", '{"jsonrpc":"2.0"}', '{"jsonrpc":"1.0","id":5}');
    raw.write(
      { jsonrpc: "2.0", id: 7, method: "no/such/method" },
      { jsonrpc: "2.0", id: 8, method: "tools/call" },
    );
    raw.write(
      {
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: "list_peers", arguments: [] },
      },
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 77 } },
      { jsonrpc: "2.0", method: "notifications/cancelled" },
    );
    raw.write(toolCall(10, "list_peers"));
    expect((await raw.answer(10)).result.structuredContent.peers).toEqual([]);
    for (const message of raw.messages) expect(message).toMatchObject({ jsonrpc: "2.0" });
    expect((await raw.answer(7)).error.code).toBe(-32_601);
    expect(
      raw.log.split("\n").filter((line) => line !== "" && !line.startsWith("peerline: ")),
    ).toEqual([]);
  });

  test("answers the handshake and lists its tools when there can be no broker, and says why in results", async () => {
    await mkdir(join(home.path, "file"), { recursive: true });
    await writeFile(join(home.path, "file", "plain"), "");
    raw = new RawAgent(home.path, { PEERLINE_HOME: join(home.path, "file", "plain") });
    raw.write(initialize, initialized, { jsonrpc: "2.0", id: 2, method: "tools/list" });
    expect((await raw.answer(1)).result.serverInfo.name).toBe("peerline");
    expect((await raw.answer(2)).result.tools).toHaveLength(6);
    raw.write(toolCall(3, "list_peers"));
    const { result } = await raw.answer(3);
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toMatch(
      /^The Peerline broker cannot be reached: .*PEERLINE_HOME/,
    );
    await eventually(() => expect(raw.log).toContain("not connected"));
  });

  test("starts no broker for an endpoint that is not the home's own, and finds it when it comes", async () => {
    const socket = join(home.path, "broker.sock");
    raw = new RawAgent(home.path, { PEERLINE_BROKER: `unix:${socket}` });
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    expect((await raw.answer(2)).result.content[0].text).toMatch(
      /cannot be reached: .*not running/,
    );
    const other = await home.start("other");
    await other.facts("list_peers");
    raw.write(toolCall(3, "list_peers"));
    expect((await raw.answer(3)).result.structuredContent.peers).toMatchObject([{ name: "other" }]);
  });

  test.each([
    ["its standard input ends", (agent: RawAgent) => agent.child.stdin.end()],
    ["SIGTERM", (agent: RawAgent) => agent.child.kill("SIGTERM")],
    [
      "SIGINT, then SIGTERM",
      (agent: RawAgent) => agent.child.kill("SIGINT") && agent.child.kill("SIGTERM"),
    ],
    ["SIGHUP", (agent: RawAgent) => agent.child.kill("SIGHUP")],
  ])("ends in good order on %s, also in the middle of a wait", async (_name, stop) => {
    const watcher = await home.start("watcher");
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    const { you } = (await raw.answer(2)).result.structuredContent;
    raw.write(toolCall(3, "get_messages", { wait_ms: 50_000 }));
    const ended = raw.end();
    stop(raw);
    const { code, ms } = await ended;
    expect(code).toBe(0);
    const seesNobody = async (): Promise<void> => {
      const { peers } = await watcher.facts("list_peers");
      expect(peers).toMatchObject([{ name: you.name, online: false }]);
    };
    // It has taken its leave, unless the broker took longer than it waits for that.
    if (ms < closeTimeoutMs) await seesNobody();
    else await eventually(seesNobody);
  });

  test("ends when nobody reads its standard output any more", async () => {
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized);
    await raw.answer(1);
    const ended = raw.end();
    raw.child.stdout.destroy();
    raw.write(toolCall(2, "list_peers"), toolCall(3, "list_peers"));
    expect((await ended).code).toBe(0);
  });

  test("ends although its host reads nothing that it writes", async () => {
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized);
    await raw.answer(1);
    raw.child.stdout.pause();
    for (let id = 2; id < 200; id++) raw.write({ jsonrpc: "2.0", id, method: "tools/list" });
    raw.write(toolCall(200, "list_peers"));
    await eventually(() => expect(raw.log).toContain("connected"));
    const ended = raw.end();
    raw.child.stdin.end();
    expect((await ended).code).toBe(0);
  });

  test("ends soon when its broker does not answer", async () => {
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    await raw.answer(2);
    const pid = await home.brokerPid();
    process.kill(pid, "SIGSTOP");
    try {
      const ended = raw.end();
      raw.child.stdin.end();
      const { code, ms } = await ended;
      expect(code).toBe(0);
      // A call would wait for the broker for so long.
      expect(ms).toBeLessThan(callTimeoutMs);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  test("messages whose result was never read by the host come again", async () => {
    const web = await home.start("web");
    raw = new RawAgent(home.path, { PEERLINE_NAME: "api" });
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    await raw.answer(2);
    await web.facts("send_message", { to: "api", message: "keep me" });
    raw.write(toolCall(3, "get_messages", { wait_ms: 20_000 }));
    await raw.answer(3);
    raw.write({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 3 } });
    raw.write(toolCall(4, "get_messages"));
    expect((await raw.answer(4)).result.structuredContent.messages).toMatchObject([
      { text: "keep me", redelivered: true },
    ]);
    raw.write(toolCall(5, "get_messages"));
    expect((await raw.answer(5)).result.structuredContent.messages).toEqual([]);
  });

  test("calls that run side by side confirm nothing of each other", async () => {
    const web = await home.start("web");
    raw = new RawAgent(home.path, { PEERLINE_NAME: "api" });
    raw.write(initialize, initialized, toolCall(2, "list_peers"));
    await raw.answer(2);
    const { message_id } = await web.facts("send_message", { to: "api", message: "one" });
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id });
      expect(receipts).toMatchObject([{ state: "leased" }]);
    });
    raw.write(toolCall(3, "get_messages"), toolCall(4, "list_peers"), toolCall(5, "list_peers"));
    await Promise.all([raw.answer(3), raw.answer(4), raw.answer(5)]);
    await eventually(async () => {
      const { receipts } = await web.facts("message_status", { message_id });
      expect(receipts).toMatchObject([{ state: "presented" }]);
    });
  });
});
