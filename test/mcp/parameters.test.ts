import { describe, expect, test } from "vitest";
import { AdapterError } from "../../src/mcp/adapter-error.js";
import { readParameters } from "../../src/mcp/parameters.js";
import { getMessages } from "../../src/mcp/tools/get-messages.js";
import { sendMessage } from "../../src/mcp/tools/send-message.js";
import type { Tool } from "../../src/mcp/tools/tool.js";

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
    [getMessages, { peek: "yes" }, '`peek` cannot be "yes"'],
  ])("refuses %o %j, naming the parameter and the mend", (tool, raw, sentence) => {
    const read = () => readParameters(tool, raw);
    expect(read).toThrow(AdapterError);
    expect(read).toThrow(sentence);
  });
});
