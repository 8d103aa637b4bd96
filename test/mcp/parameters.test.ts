import { describe, expect, test } from "vitest";
import { AdapterError } from "../../src/mcp/refusal.js";
import { readParameters } from "../../src/mcp/parameters.js";
import { getMessages } from "../../src/mcp/tools/get-messages.js";
import { listPeers } from "../../src/mcp/tools/list-peers.js";
import { messageStatus } from "../../src/mcp/tools/message-status.js";
import { sendMessage } from "../../src/mcp/tools/send-message.js";
import { setName } from "../../src/mcp/tools/set-name.js";
import { setSummary } from "../../src/mcp/tools/set-summary.js";
import type { Tool } from "../../src/mcp/tools/definitions.js";

test("send_message says of which signs a thread's name is", () => {
  expect(sendMessage.parameters().shape["thread_id"]?.description).toContain("A-Z a-z 0-9 . _ : -");
});

describe("readParameters", () => {
  test.each([
    [{ to: "api", message: "hi" }],
    [{ to_id: "api", text: "hi" }],
    [{ peer_id: "api", content: "hi" }],
    [{ recipient: "api", body: "hi", thread_id: null }],
  ])("understands the names that models give: %j", (raw) => {
    expect(readParameters(sendMessage, raw)).toEqual({ to: "api", message: "hi" });
  });

  test("takes numbers and flags that come as text", () => {
    expect(readParameters(getMessages, { wait_ms: "1500", limit: 300, peek: "true" })).toEqual({
      wait_ms: 1500,
      limit: 300,
      peek: true,
    });
  });

  test("takes a list of recipients", () => {
    expect(readParameters(sendMessage, { to: ["api", "web"], message: "hi" })).toEqual({
      to: ["api", "web"],
      message: "hi",
    });
  });

  test.each<[Tool, Record<string, unknown>, Record<string, unknown>]>([
    [sendMessage, { to: '["api","web"]', message: "x" }, { to: ["api", "web"], message: "x" }],
    [sendMessage, { to: '["api"]', message: "x" }, { to: ["api"], message: "x" }],
    [sendMessage, { to: "api, @web,", message: "x" }, { to: ["api", "web"], message: "x" }],
    [sendMessage, { to: "@api", message: "x" }, { to: "api", message: "x" }],
    [sendMessage, { to: "@peerline", message: "x" }, { to: "@peerline", message: "x" }],
    [sendMessage, { to: { name: "api" }, message: "x" }, { to: "api", message: "x" }],
    [sendMessage, { to: [{ name: "a" }, "@b"], message: "x" }, { to: ["a", "b"], message: "x" }],
    [sendMessage, { to: '{"name":"api"}', message: "x" }, { to: "api", message: "x" }],
    [
      sendMessage,
      { to: "api", message: "x", in_reply_to: "", thread_id: " ", urgency: "", expires_in: "" },
      { to: "api", message: "x" },
    ],
    [
      sendMessage,
      { to: "api", message: "x", inReplyTo: "#3f2a9c01", threadId: "None", "expires-in": "10m" },
      { to: "api", message: "x", in_reply_to: "3f2a9c01", expires_in: "10m" },
    ],
    [
      sendMessage,
      { to: "api", message: "x", in_reply_to: 1_234_567, urgency: "Interrupt" },
      { to: "api", message: "x", in_reply_to: "01234567", urgency: "interrupt" },
    ],
    [sendMessage, { to: "api", message: 5 }, { to: "api", message: "5" }],
    [sendMessage, { to: "api", message: { a: [1] } }, { to: "api", message: '{"a":[1]}' }],
    [
      sendMessage,
      {
        to: "api",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      { to: "api", message: "a\nb" },
    ],
    [sendMessage, { to: "api", message: "none" }, { to: "api", message: "none" }],
    [sendMessage, { input: { to: "api", message: "x" } }, { to: "api", message: "x" }],
    [
      getMessages,
      { from: "@api", waitMs: " 500 ", limit: "", peek: "no" },
      { from: "api", wait_ms: 500, peek: false },
    ],
    [getMessages, { from: ["api"], peek: 1 }, { from: "api", peek: true }],
    [getMessages, { from: { name: "api" } }, { from: "api" }],
    [listPeers, { scope: "Machine", online_only: "True" }, { scope: "machine", online_only: true }],
    [listPeers, { scope: "", online_only: null }, {}],
    [messageStatus, { message_id: "id 3f2a9c01" }, { message_id: "3f2a9c01" }],
    [setSummary, { summary: "" }, { summary: "" }],
  ])("understands what models write, case %#", (tool, raw, parameters) => {
    expect(readParameters(tool, raw)).toEqual(parameters);
  });

  test.each<[Tool, Record<string, unknown>, string]>([
    [sendMessage, { to: "api", tex: "hi" }, "`tex` is not a parameter: send_message takes to, "],
    [sendMessage, { to: "api", constructor: 1 }, "`constructor` is not a parameter"],
    [sendMessage, { message: "hi" }, "`to` is missing. It takes: the recipient's name"],
    [sendMessage, { to: [], message: "hi" }, "`to` cannot be []"],
    [sendMessage, { to: 5, message: "hi" }, "`to` cannot be 5"],
    [sendMessage, { to: "api", message: "" }, '`message` cannot be ""'],
    [sendMessage, { to: "a", to_id: "b", message: "x" }, "`to_id` and `to` are the same parameter"],
    [
      sendMessage,
      { to: "a", message: "x", urgency: "high" },
      '`urgency` cannot be "high". It takes: fyi',
    ],
    [getMessages, { wait_ms: "soon" }, '`wait_ms` cannot be "soon"'],
    [getMessages, { wait_ms: -1 }, "`wait_ms` cannot be -1"],
    [getMessages, { limit: 0 }, "`limit` cannot be 0. It takes: at most this many messages"],
    [getMessages, { peek: "maybe" }, '`peek` cannot be "maybe"'],
    [getMessages, { peek: 2 }, "`peek` cannot be 2"],
    [getMessages, { from: ["a", "b"] }, '`from` cannot be ["a","b"]'],
    [sendMessage, { to: "a", message: "hi", thread: 1 }, "`thread` is not a parameter"],
    [sendMessage, { to: " , ", message: "hi" }, '`to` cannot be " , "'],
    [sendMessage, { to: [["a"]], message: "hi" }, '`to` cannot be [["a"]]'],
    [sendMessage, { to: "", message: "hi" }, '`to` cannot be ""'],
    [sendMessage, { to: "a", message: [] }, "`message` cannot be []"],
    [setName, { input: "x" }, "`input` is not a parameter"],
  ])(
    "refuses what it cannot be, naming the parameter and the fix, case %#",
    (tool, raw, sentence) => {
      const read = () => readParameters(tool, raw);
      expect(read).toThrow(AdapterError);
      expect(read).toThrow(sentence);
    },
  );

  test.each<[Tool, string, Record<string, unknown>]>([
    [sendMessage, "message", { to: "a" }],
    [sendMessage, "to", { message: "hi" }],
    [getMessages, "peek", {}],
    [getMessages, "limit", {}],
  ])("refuses what is nested too deep by the parameter, case %#", (tool, name, others) => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const value: unknown = JSON.parse(`${open.repeat(50_000)}1${close.repeat(50_000)}`);
      const read = () => readParameters(tool, { ...others, [name]: value });
      expect(read).toThrow(AdapterError);
      expect(read).toThrow(`\`${name}\` cannot be a structure nested this deep. It takes: `);
    }
  });
});
