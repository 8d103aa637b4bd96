import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import { LineReader } from "../../src/mcp/line-reader.js";
import { maxLineBytes, maxWaitingRefusals } from "../../src/mcp/limits.js";
import { readLine } from "../../src/mcp/unreadable.js";
import { eventually } from "../support/test-broker.js";
import { initialize, initialized, RawAgent, toolCall } from "./raw-agent.js";
import { TestHome } from "./test-home.js";

describe("what the host writes and nobody can read is answered", () => {
  let home: TestHome;
  let raw: RawAgent;

  beforeAll(async () => void (home = await TestHome.open()));
  afterAll(() => home[Symbol.asyncDispose]());
  beforeEach(async () => {
    raw = new RawAgent(home.path);
    raw.write(initialize, initialized);
    await raw.answer(1);
  });
  afterEach(() => raw[Symbol.asyncDispose]());

  test.each<[string, string, { id: unknown; code: number }[]]>([
    ["no JSON", "not json", [{ id: null, code: -32_700 }]],
    ["half a message", '{"jsonrpc":"2.0","id":5,"method":', [{ id: null, code: -32_700 }]],
    ["an empty object", "{}", [{ id: null, code: -32_600 }]],
    ["a number", "5", [{ id: null, code: -32_600 }]],
    ["another version", '{"jsonrpc":"1.0","id":5,"method":"ping"}', [{ id: 5, code: -32_600 }]],
    [
      "params that are text",
      '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":"x"}',
      [{ id: "a", code: -32_600 }],
    ],
    ["a method that is none", '{"jsonrpc":"2.0","id":5,"method":7}', [{ id: 5, code: -32_600 }]],
    [
      "an id that is none",
      '{"jsonrpc":"2.0","id":{},"method":"ping"}',
      [{ id: null, code: -32_600 }],
    ],
    ["an empty batch", "[]", [{ id: null, code: -32_600 }]],
    [
      "a batch",
      '[{"jsonrpc":"2.0","id":5,"method":"ping"},{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":6,"method":"ping"}]',
      [
        { id: 5, code: -32_600 },
        { id: 6, code: -32_600 },
      ],
    ],
    [
      "5 MB with the id at its end",
      `{"method":"tools/call","params":{"id":9,"s":"${'\\"'.repeat(2_500_000)}"},"jsonrpc":"2.0","id":5}`,
      [{ id: 5, code: -32_600 }],
    ],
    [
      "5 MB with the id at its beginning",
      `{"jsonrpc" : "2.0", "id" : "a\\u0062", "method":"tools/call","params":{"s":"${"x".repeat(5_000_000)}"}}`,
      [{ id: "ab", code: -32_600 }],
    ],
    ["5 MB of anything", "x".repeat(5_000_000), [{ id: null, code: -32_600 }]],
  ])("%s", async (_what, line, errors) => {
    raw.write(line, toolCall(77, "list_peers"));
    expect((await raw.answer(77)).result.isError).toBeUndefined();
    const refused = raw.messages.filter(({ error }) => error !== undefined);
    expect(refused).toEqual(
      errors.map(({ id, code }) => ({
        jsonrpc: "2.0",
        id,
        error: { code, message: expect.stringMatching(/./) },
      })),
    );
  });

  test.each<[string, string, object | string | undefined, string]>([
    [
      "arguments that are a list",
      "tools/call",
      { name: "list_peers", arguments: [] },
      "tools/call: `arguments` must be an object, not a list.",
    ],
    [
      "arguments that are text",
      "tools/call",
      { name: "list_peers", arguments: "{}" },
      "tools/call: `arguments` must be an object, not text.",
    ],
    [
      "arguments that are a number",
      "tools/call",
      { name: "list_peers", arguments: 7 },
      "tools/call: `arguments` must be an object, not a number.",
    ],
    [
      "arguments that are null",
      "tools/call",
      { name: "list_peers", arguments: null },
      "tools/call: `arguments` must be an object, not null.",
    ],
    ["no tool", "tools/call", {}, "tools/call: `name` is missing: it must be text."],
    [
      "a tool that is a list",
      "tools/call",
      { name: [] },
      "tools/call: `name` must be text, not a list.",
    ],
    [
      "no params",
      "tools/call",
      undefined,
      "tools/call: `params` is missing: it must be an object.",
    ],
    [
      "a progress token that is an object",
      "tools/call",
      { name: "list_peers", _meta: { progressToken: {} } },
      "tools/call: `_meta.progressToken` must be text or a number, not an object.",
    ],
    ["a cursor", "tools/list", { cursor: 5 }, "tools/list: `cursor` must be text, not a number."],
    [
      "no version of the protocol",
      "initialize",
      { capabilities: {} },
      "initialize: `protocolVersion` is missing: it must be text.",
    ],
    [
      "a capability that is none",
      "initialize",
      { ...initialize.params, capabilities: { experimental: { a: 5 } } },
      "initialize: `capabilities.experimental.a` is not what the protocol allows there.",
    ],
    ["facts about a ping", "ping", { _meta: 7 }, "ping: `_meta` must be an object, not a number."],
    ["facts about anything", "x/y", { _meta: [] }, "`_meta` must be an object, not a list."],
  ])("wrong params, in a sentence: %s", async (_what, method, params, message) => {
    raw.write({ jsonrpc: "2.0", id: 5, method, params });
    expect(await raw.answer(5)).toEqual({
      jsonrpc: "2.0",
      id: 5,
      error: { code: -32_602, message },
    });
  });

  test("a notification with wrong params is not answered, and told in the log in a sentence", async () => {
    raw.write({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: [] } });
    raw.write(toolCall(77, "list_peers"));
    await raw.answer(77);
    expect(raw.messages.map(({ id }) => id)).toEqual([1, 77]);
    await eventually(() =>
      expect(raw.log).toContain(
        "notifications/cancelled: `requestId` must be text or a number, not a list.",
      ),
    );
    expect(raw.log).not.toContain("invalid_");
  });

  test.each([
    ["a byte order mark", "\uFEFF"],
    ["blanks", "  \t"],
  ])("a message behind %s is read", async (_what, before) => {
    raw.write(`${before}${JSON.stringify(toolCall(2, "list_peers"))}\r`);
    expect((await raw.answer(2)).result.isError).toBeUndefined();
  });

  test("empty lines, and answers that nobody asked for, are not answered", async () => {
    const long = `{"jsonrpc":"2.0","result":{"s":"${"x".repeat(5_000_000)}"},"id":5}`;
    raw.write("", " ", "\r", '{"jsonrpc":"2.0","id":5,"result":7}', '{"id":5,"error":{}}', long);
    raw.write(toolCall(77, "list_peers"));
    await raw.answer(77);
    expect(raw.messages.map(({ id }) => id)).toEqual([1, 77]);
  });
});

test("a host that writes nonsense and reads nothing costs no memory", async () => {
  await using home = await TestHome.open();
  await using raw = new RawAgent(home.path);
  raw.write(initialize, initialized);
  await raw.answer(1);
  raw.child.stdout.pause();
  const lines = 20_000;
  await new Promise((resolve) => raw.child.stdin.write("nonsense\n".repeat(lines), resolve));
  raw.write(toolCall(77, "list_peers"));
  raw.child.stdout.resume();
  await raw.answer(77);
  // What the pipe took, and the bound.
  const answered = raw.messages.filter(({ id }) => id === null).length;
  expect(answered).toBeGreaterThanOrEqual(maxWaitingRefusals);
  expect(answered).toBeLessThan(lines);
});

describe("the line reader", () => {
  test("cuts lines wherever the chunks end", () => {
    const bytes = Buffer.from('{"é":1}\n\n{"b":2}\r\nrest');
    for (let size = 1; size < bytes.length; size++) {
      const reader = new LineReader(100);
      const lines: unknown[] = [];
      for (let start = 0; start < bytes.length; start += size) {
        lines.push(...reader.read(bytes.subarray(start, start + size)));
      }
      expect(lines).toEqual([{ text: '{"é":1}' }, { text: "" }, { text: '{"b":2}\r' }]);
    }
  });

  test("knows the id of a line that is too long, wherever the chunks end", () => {
    const bytes = Buffer.from(
      `{"a":"\\"id\\":1","b":[{"id":2}],"id":"x-é","method":"m","c":{"id":3}}\n{"id":4}\n`,
    );
    for (let size = 1; size < bytes.length; size++) {
      const reader = new LineReader(20);
      const lines = [];
      for (let start = 0; start < bytes.length; start += size) {
        lines.push(...reader.read(bytes.subarray(start, start + size)));
      }
      expect(lines.map(({ tooLong, ...line }) => tooLong?.id ?? line)).toEqual([
        "x-é",
        { text: '{"id":4}' },
      ]);
    }
  });

  test("a line of the greatest length is whole", () => {
    const reader = new LineReader(maxLineBytes);
    const id = JSON.stringify("x".repeat(maxLineBytes - 100));
    const text = `{"jsonrpc":"2.0","method":"ping","id":${id}}`;
    const [line] = reader.read(Buffer.from(`${text}\n`));
    expect(line && readLine(line).message).toMatchObject({ method: "ping" });
  });
});
