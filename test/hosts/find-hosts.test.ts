import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/endpoint/config.js";
import { recogniseHost } from "../../src/hosts/find-hosts.js";

const config = readConfig({ PEERLINE_HOME: "/tmp/pl", CLAUDE_CODE_SESSION_ID: "5f0a-11" });

describe("recogniseHost", () => {
  test.each([
    ["claude-code", "claude-code"],
    ["codex-mcp-client", "codex"],
    ["gemini-cli-mcp-client", "gemini-cli"],
    ["gemini-cli-mcp-client-peerline", "gemini-cli"],
    ["cursor-vscode", "cursor"],
    ["Visual Studio Code - Insiders", "vscode"],
    ["some-other-host", "some-other-host"],
  ])("%s is %s", (clientName, hostName) => {
    expect(recogniseHost(clientName).name).toBe(hostName);
  });

  test("Claude Code's variable counts for Claude Code only: others inherit it", () => {
    const conversations = ["claude-code", "codex-mcp-client", "gemini-cli-mcp-client", "other"].map(
      (name) => recogniseHost(name).conversationOfProcess(config),
    );
    expect(conversations).toEqual(["claude-code:5f0a-11", undefined, undefined, undefined]);
  });

  test("Codex names its thread with each call, the others do not", () => {
    const meta = { threadId: "0199-ab" };
    expect(recogniseHost("codex-mcp-client").conversationOfCall(meta)).toBe("codex:0199-ab");
    expect(recogniseHost("claude-code").conversationOfCall(meta)).toBeUndefined();
    expect(recogniseHost("other").conversationOfCall(meta)).toBeUndefined();
  });

  test.each([[undefined], [7], [""], ["a b"], ["x".repeat(200)]])(
    "a thread id that no broker takes is none: %j",
    (threadId) => {
      expect(recogniseHost("codex-mcp-client").conversationOfCall({ threadId })).toBeUndefined();
    },
  );

  test("a call may last as long as its host allows, and no longer", () => {
    expect(recogniseHost("other").maxWaitMs).toBe(50_000);
    expect(recogniseHost("codex-mcp-client").maxWaitMs).toBeLessThan(300_000);
    expect(recogniseHost("gemini-cli-mcp-client").maxWaitMs).toBeLessThan(600_000);
  });
});
