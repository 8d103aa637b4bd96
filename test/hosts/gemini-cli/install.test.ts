import { describe, expect, test } from "vitest";
import { geminiCli } from "../../../src/hosts/gemini-cli/host.js";
import { changesOf, serverChange, testRoundTrip } from "../round-trip.js";

describe("Gemini CLI", () => {
  testRoundTrip(geminiCli, {
    "no file": null,
    "settings only": `{
  "security": { "auth": { "selectedType": "oauth-personal" } },
  "ui": { "theme": "GitHub" }
}
`,
    comments: `{
  // which way in
  "security": { "auth": { "selectedType": "gemini-api-key" } }, /* not oauth */
  "mcpServers": { // mine
    // reads the file system
    "fs": { "command": "mcp-fs", "trust": false } // no more than that
  }
  /* the end */
}
`,
    "odd spacing": `{"mcpServers" :\n{\n\n        "fs":{"command":"mcp-fs"}}\n\n}\n\n`,
    "a comment where servers were": `{\n    "mcpServers": {\n        // "old": { "command": "x" }\n    },\n    "ui": {}\n}\n`,
    "one line": `{ "mcpServers": { "fs": { "command": "mcp-fs" } } }`,
  });

  test("with trust it does not ask, and that stays once it is given", () => {
    const change = serverChange(geminiCli, { trust: true });
    const after = change.put(undefined);
    expect(JSON.parse(after)).toEqual({
      mcpServers: {
        peerline: {
          command: "/usr/bin/node",
          args: ["/opt/peerline/dist/peerline.js", "mcp"],
          trust: true,
        },
      },
    });
    expect(serverChange(geminiCli).put(after)).toBe(after);
  });

  test("an entry without trust gets it, and either is its own", () => {
    const plain = serverChange(geminiCli).put(undefined);
    const trusting = serverChange(geminiCli, { trust: true });
    expect(trusting.entry(plain).kind).toBe("own");
    expect(JSON.parse(trusting.put(plain))).toMatchObject({
      mcpServers: { peerline: { trust: true } },
    });
  });

  test("a broken file is refused", () => {
    expect(() => serverChange(geminiCli).put(`{ "ui": { "theme": "x" `)).toThrow(
      expect.objectContaining({ code: "CONFIG_BROKEN" }),
    );
  });

  test("the file is the user's or the project's", () => {
    const paths = (["user", "project"] as const).map(
      (scope) => changesOf(geminiCli, { scope })[0]?.path,
    );
    expect(paths).toEqual(["/home/ada/.gemini/settings.json", "/srv/shop/.gemini/settings.json"]);
  });
});
