import { describe, expect, test } from "vitest";
import { vsCode } from "../../../src/hosts/vscode/host.js";
import { changesOf, serverChange, testRoundTrip } from "../round-trip.js";

describe("VS Code", () => {
  testRoundTrip(vsCode, {
    "no file": null,
    "as it makes it": `{\n\t"servers": {},\n\t"inputs": []\n}`,
    "other servers and inputs": `{
  "inputs": [
    { "type": "promptString", "id": "token", "description": "GitHub token", "password": true }
  ],
  "servers": {
    "github": {
      "type": "http",
      "url": "https://api.githubcopilot.com/mcp/",
      "headers": { "Authorization": "Bearer \${input:token}" }
    }
  }
}
`,
    "comments and commas at the ends": `// of this machine
{
    // first the inputs
    "inputs": [],
    "servers": {   // then these
        "fs": { "command": "mcp-fs", },
    },
}
`,
    "odd spacing and CRLF": `{"servers":\r\n  {  "fs" :{"command":"mcp-fs"}  ,\r\n\r\n"b":{"command":"b"}}}\r\n`,
  });

  test("the entry is under servers", () => {
    expect(JSON.parse(serverChange(vsCode).put(undefined))).toEqual({
      servers: {
        peerline: {
          type: "stdio",
          command: "/usr/bin/node",
          args: ["/opt/peerline/dist/peerline.js", "mcp"],
        },
      },
    });
  });

  test("a broken file is refused", () => {
    expect(() => serverChange(vsCode).put(`{ "servers": { `)).toThrow(
      expect.objectContaining({ code: "CONFIG_BROKEN" }),
    );
  });

  test("the file is the profile's or the project's", () => {
    const paths = (["user", "project"] as const).map(
      (scope) => changesOf(vsCode, { scope })[0]?.path,
    );
    expect(paths).toEqual(["/home/ada/.config/Code/User/mcp.json", "/srv/shop/.vscode/mcp.json"]);
  });
});
