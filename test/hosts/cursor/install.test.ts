import { describe, expect, test } from "vitest";
import { cursor } from "../../../src/hosts/cursor/host.js";
import { changesOf, serverChange, testRestored, testRoundTrip } from "../round-trip.js";

describe("Cursor", () => {
  testRoundTrip(cursor, {
    "no file": null,
    "an empty object of servers": `{\n  "mcpServers": {}\n}\n`,
    "other servers": `{
  "mcpServers": {
    "linear": { "url": "https://mcp.linear.app/sse" },
    "figma": {
      "command": "npx",
      "args": ["-y", "figma-developer-mcp", "--stdio"],
      "env": { "FIGMA_API_KEY": "figd_0000" }
    }
  }
}
`,
    "comments and commas at the ends": `{
\t"mcpServers": {
\t\t/* off for now
\t\t"old": {},
\t\t*/
\t\t"linear": {
\t\t\t"url": "https://mcp.linear.app/sse", // read only
\t\t},
\t},
}
`,
    "odd spacing": `\n\n{   "mcpServers"   :   { "fs":\n{"command":"mcp-fs"}}   }`,
  });
  // Their own text does not tell what they were: that is remembered beside it.
  testRestored(cursor, {
    "an empty file": "",
    "blank lines only": "\n\n",
    "objects of blanks": `{   "mcpServers"   :   {   }   }`,
  });

  test("a broken file is refused", () => {
    expect(() => serverChange(cursor).put(`{ "mcpServers": { "a": } }`)).toThrow(
      "line 1, column 24: Value Expected",
    );
  });

  test("the file is the user's or the project's", () => {
    const paths = (["user", "project"] as const).map(
      (scope) => changesOf(cursor, { scope })[0]?.path,
    );
    expect(paths).toEqual(["/home/ada/.cursor/mcp.json", "/srv/shop/.cursor/mcp.json"]);
  });
});
