import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/test-broker.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { TestHome } from "./test-home.js";

describe("get_messages with wait_ms", () => {
  let home: TestHome;
  let raws: RawAgent[];

  beforeEach(async () => {
    home = await TestHome.open();
    raws = [];
  });
  afterEach(async () => {
    for (const raw of raws) await raw[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  /** An agent in a host that names itself so, when it has answered its first call. */
  async function startIn(clientName: string, name: string): Promise<RawAgent> {
    const raw = new RawAgent(home.path, { PEERLINE_NAME: name });
    raws.push(raw);
    const clientInfo = { name: clientName, version: "1" };
    const params = { ...initialize.params, clientInfo };
    raw.write({ ...initialize, params }, initialized, toolCall(2, "list_peers"));
    await raw.answer(2);
    return raw;
  }

  test("is over before the host gives the call up, whatever is asked for", async () => {
    const hosts = [
      // Without a sign of life from the call.
      { clientName: "claude-code", patienceMs: 30 * 60_000 },
      // After that a program of its code mode yields, and its call's result may be lost.
      { clientName: "codex-mcp-client", patienceMs: 30_000 },
      { clientName: "gemini-cli-mcp-client-peerline", patienceMs: 10 * 60_000 },
      { clientName: "some-other-host", patienceMs: 60_000 },
    ];
    await Promise.all(
      hosts.map(async ({ clientName, patienceMs }) => {
        const raw = await startIn(clientName, "api");
        raw.write(wait(3, { wait_ms: 86_400_000 }, "asked"));
        await eventually(() => expect(progressOf(raw)).not.toEqual([]), 15_000);
        const [{ progress, total }] = progressOf(raw);
        expect(total, clientName).toBeGreaterThanOrEqual(20_000);
        expect(total, clientName).toBeLessThan(patienceMs);
        expect(progress).toBeLessThan(total);
      }),
    );
  });

  test("says that it lives to who asked for that alone, and takes no mail once it is given up", async () => {
    const [web] = await home.startAll("web", "other");
    const raw = await startIn("some-host", "api");
    raw.write(
      wait(3, { wait_ms: 40_000 }, "given up"),
      wait(4, { wait_ms: 40_000 }, "asked"),
      wait(5, { wait_ms: 40_000, from: "other" }, undefined),
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 3 } },
    );
    await eventually(() => expect(progressOf(raw)).not.toEqual([]), 15_000);
    await web.facts("send_message", { to: "api", message: "here" });
    const { structuredContent } = (await raw.answer(4)).result;
    expect(structuredContent.messages).toMatchObject([{ text: "here" }]);
    expect(structuredContent.messages[0].redelivered).toBeUndefined();
    expect(new Set(progressOf(raw).map(({ progressToken }) => progressToken))).toEqual(
      new Set(["asked"]),
    );
    expect(raw.messages.filter(({ id }) => id === 3 || id === 5)).toEqual([]);
  });

  test("tells nothing more of a wait that is over", async () => {
    const raw = await startIn("some-host", "api");
    raw.write(wait(3, { wait_ms: 100 }, "over"), wait(4, { wait_ms: 40_000 }, "asked"));
    expect((await raw.answer(3)).result.structuredContent).toEqual({ messages: [], unread: 0 });
    await eventually(() => expect(progressOf(raw)).not.toEqual([]), 15_000);
    expect(progressOf(raw).map(({ progressToken }) => progressToken)).toEqual(["asked"]);
  });
});

/** A call of get_messages; with a token, its host asks to hear that it lives. */
function wait(id: number, parameters: object, progressToken: string | undefined) {
  const call = toolCall(id, "get_messages", parameters);
  if (progressToken === undefined) return call;
  return { ...call, params: { ...call.params, _meta: { progressToken } } };
}

function progressOf(raw: RawAgent): any[] {
  return raw.messages
    .filter(({ method }) => method === "notifications/progress")
    .map(({ params }) => params);
}
