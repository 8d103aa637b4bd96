import { describe, expect, test } from "vitest";
import { claudeCode } from "../../../src/hosts/claude-code/host.js";
import { changesOf, expectInserted, serverChange, testRoundTrip } from "../round-trip.js";

const otherServers = `{
  "numStartups": 212,
  "theme": "dark",
  "mcpServers": {
    "github": {
      "type": "http",
      "url": "https://api.githubcopilot.com/mcp/",
      "headers": { "Authorization": "Bearer ghp_0000" }
    },
    "postgres": {
      "type": "stdio",
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-postgres", "postgresql://localhost/shop"],
      "env": {}
    }
  },
  "projects": {
    "/srv/shop": { "allowedTools": [], "mcpServers": {}, "hasTrustDialogAccepted": true }
  },
  "oauthAccount": { "emailAddress": "ada@example.com" }
}
`;

const oddSpacing = `{ "numStartups" : 3,
\t"mcpServers":{ "fs" : {"command":"mcp-fs","args":[ ]} },


      "projects":   {}   }`;

describe("Claude Code", () => {
  testRoundTrip(claudeCode, {
    "no file": null,
    "a fresh file": `{
  "firstStartTime": "2026-11-22T19:32:59.480Z",
  "machineID": "edd57677932f07c1"
}
`,
    "other servers": otherServers,
    "odd spacing": oddSpacing,
    "one line, and a server of that name in a project only": `{"numStartups":9,"projects":{"/srv/shop":{"mcpServers":{"peerline":{"command":"x"}}}}}`,
    "an empty object of servers, tabs and CRLF": `{\r\n\t"mcpServers": {},\r\n\t"theme": "light"\r\n}\r\n`,
  });

  test("the entry is as `claude mcp add` writes it, for all projects", () => {
    const change = serverChange(claudeCode);
    expect(change.path).toBe("/home/ada/.claude.json");
    expect(change.put(undefined)).toBe(`{
  "mcpServers": {
    "peerline": {
      "type": "stdio",
      "command": "/usr/bin/node",
      "args": [
        "/opt/peerline/dist/peerline.js",
        "mcp"
      ],
      "env": {}
    }
  }
}
`);
  });

  test.each([
    ["cut short", otherServers.slice(0, 300)],
    ["with a conflict in it", `{\n<<<<<<< HEAD\n  "theme": "dark"\n}`],
    ["with a comment, which Claude Code takes for damage", `{\n  // mine\n  "theme": "dark"\n}`],
    ["with a comma too many", `{ "theme": "dark", }`],
    ["that is no object", `[]`],
  ])("a file %s is refused, with the place", (_name, text) => {
    const change = serverChange(claudeCode);
    const refused = expect.objectContaining({ code: "CONFIG_BROKEN" });
    expect(() => change.put(text)).toThrow(refused);
    expect(() => change.entry(text)).toThrow(/^\/home\/ada\/\.claude\.json cannot be read as JSON/);
  });

  test("servers that are no object are refused", () => {
    expect(() => serverChange(claudeCode).put(`{"mcpServers":[]}`)).toThrow(
      `In /home/ada/.claude.json "mcpServers" is not an object. The file was left as it is.`,
    );
  });

  test("a name that stands twice in one object is refused: the host would read the other one", () => {
    const text = `{"mcpServers":{},"mcpServers":{"a":{}}}`;
    expect(() => serverChange(claudeCode).put(text)).toThrow(
      expect.objectContaining({ code: "CONFIG_UNEXPECTED" }),
    );
  });

  test.each([
    ["absent", `{}`],
    [
      "own",
      `{"mcpServers":{"peerline":{"type":"stdio","command":"node","args":["/old/dist/peerline.js","mcp"],"env":{}}}}`,
    ],
    [
      "edited",
      `{"mcpServers":{"peerline":{"command":"node","args":["/old/dist/peerline.js","mcp"],"env":{"PEERLINE_NAME":"api"}}}}`,
    ],
    ["foreign", `{"mcpServers":{"peerline":{"command":"other","args":[]}}}`],
    ["foreign", `{"mcpServers":{"peerline":true}}`],
  ])("an entry is %s: %s", (kind, text) => {
    expect(serverChange(claudeCode).entry(text).kind).toBe(kind);
  });

  test("an entry with an old path is fixed where it stands", () => {
    const change = serverChange(claudeCode);
    const after = change.put(otherServers).replace("/opt/peerline", "/old/peerline");
    expect(change.put(after)).toBe(change.put(otherServers));
  });

  test("what others added since stays, around the entry and in its place", () => {
    const change = serverChange(claudeCode);
    const added = change
      .put(`{\n  "theme": "dark"\n}\n`)
      .replace(`"mcpServers": {`, `"mcpServers": {\n    "fs": { "command": "mcp-fs" },`);
    expect(change.remove(added, `{\n  "theme": "dark"\n}\n`)).toBe(
      `{\n  "mcpServers": {\n    "fs": { "command": "mcp-fs" }\n  },\n  "theme": "dark"\n}\n`,
    );
  });

  test("in a project it is .mcp.json, and the permission is that user's there", () => {
    const paths = changesOf(claudeCode, { scope: "project", trust: true }).map(({ path }) => path);
    expect(paths).toEqual(["/srv/shop/.mcp.json", "/srv/shop/.claude/settings.local.json"]);
  });
});

describe("Claude Code's permission", () => {
  const [, permission] = changesOf(claudeCode, { trust: true });
  if (permission === undefined) throw new Error("no change of permissions");

  test("is one rule in the settings", () => {
    expect(permission.path).toBe("/home/ada/.claude/settings.json");
    expect(JSON.parse(permission.put(undefined))).toEqual({
      permissions: { allow: ["mcp__peerline__*"] },
    });
  });

  test.each([
    ["no file", null],
    ["no permissions", `{\n  "model": "opus"\n}\n`],
    [
      "other rules",
      `{\n  "permissions": {\n    "allow": [\n      "Bash(npm test:*)",\n      "Read(~/.zshrc)"\n    ],\n    "deny": []\n  }\n}\n`,
    ],
    [
      "rules on one line",
      `{\n  "permissions": { "allow": ["WebSearch", "Edit"], "deny": ["Read(.env)"] }\n}\n`,
    ],
    ["no rule yet", `{"permissions":{"allow":[]},"hooks":{}}`],
  ])("%s: comes and goes, and the rest keeps its bytes", (_name, before) => {
    const text = before ?? undefined;
    const after = permission.put(text);
    expect([permission.entry(text).kind, permission.entry(after).kind]).toEqual(["absent", "own"]);
    expectInserted(text ?? "", after);
    expect(permission.put(after)).toBe(after);
    expect(permission.remove(after, before)).toBe(text);
  });
});
