import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { codex } from "../../../src/hosts/codex/host.js";
import { changesOf, serverChange, testRoundTrip } from "../round-trip.js";

const otherServers = `# Codex, as I like it
model = "gpt-5.2-codex"
approval_policy = "on-request"

[mcp_servers.context7]
command = "npx"
args = ["-y", "@upstash/context7-mcp"]

[mcp_servers.github]
url = "https://api.githubcopilot.com/mcp/"
bearer_token_env_var = "GITHUB_TOKEN"

[projects."/srv/shop"]
trust_level = "trusted"
`;

const block = `# >>> peerline
[mcp_servers.peerline]
command = "/usr/bin/node"
args = [ "/opt/peerline/dist/peerline.js", "mcp" ]
env_vars = [ "PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME" ]
tool_timeout_sec = 300
# <<< peerline
`;

/** As the README's line for the shell appends it. */
const oneLiner = `
[mcp_servers.peerline]
command = "node"
args = ["/opt/peerline/dist/peerline.js", "mcp"]
env_vars = ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME"]
tool_timeout_sec = 300
`;

describe("Codex", () => {
  testRoundTrip(codex, {
    "no file": null,
    "settings only": `model = "gpt-5.2"   # the usual\n`,
    "other servers": otherServers,
    "odd spacing": `\n\n  model="o3"\n\t[ mcp_servers . 'my server' ]\n\tcommand   =   "x"\n   args=[\n  "[mcp_servers.peerline]",\n ]\n\n\n`,
    "CRLF and a mark at the start": `\uFEFFmodel = "gpt-5.2"\r\n\r\n[features]\r\nweb = true\r\n`,
    "a long string that looks like the entry":
      `notes = """\n# >>> peerline\n  [mcp_servers.x]\n"""\n`.replace("# >>> peerline\n", ""),
  });

  test("the entry is a block at the end", () => {
    const change = serverChange(codex);
    expect(change.path).toBe("/home/ada/.codex/config.toml");
    expect(change.put(undefined)).toBe(block);
    expect(change.put(otherServers)).toBe(`${otherServers}\n${block}`);
    expect(change.put(`model = "x"`)).toBe(`model = "x"\n\n${block}`);
  });

  test("trust is Codex's own, and stays once it is given", () => {
    const after = serverChange(codex, { trust: true }).put(otherServers);
    expect(after).toContain(`default_tools_approval_mode = "approve"\n# <<< peerline`);
    expect(serverChange(codex).put(after)).toBe(after);
  });

  test.each([
    ["cut short", `[mcp_servers.x]\ncommand = "np`, "line 2"],
    ["with a table twice", `[a]\n[a]\n`, "line 2"],
    ["with a conflict in it", `<<<<<<< HEAD\nmodel = "x"\n`, "line 1"],
  ])("a file %s is refused, with the place", (_name, text, place) => {
    expect(() => serverChange(codex).put(text)).toThrow(
      expect.objectContaining({ code: "CONFIG_BROKEN", message: expect.stringContaining(place) }),
    );
  });

  test("servers written inline are refused: no table can be added to them", () => {
    expect(() => serverChange(codex).put(`mcp_servers = { x = { command = "y" } }\n`)).toThrow(
      expect.objectContaining({ code: "CONFIG_UNEXPECTED" }),
    );
  });

  test("the README's block is its own: it is replaced in its place, and removed", () => {
    const change = serverChange(codex);
    const text = `model = "x"\n${oneLiner}\n[features]\nweb = true\n`;
    expect(change.entry(text).kind).toBe("own");
    expect(change.put(text)).toBe(`model = "x"\n\n${block}\n[features]\nweb = true\n`);
    expect(change.remove(`model = "x"\n${oneLiner}`, undefined)).toBe(`model = "x"\n`);
  });

  test("an entry to which somebody added is not its own", () => {
    const text = `${oneLiner}[mcp_servers.peerline.env]\nPEERLINE_NAME = "api"\n`;
    const { kind, shown } = serverChange(codex).entry(text);
    expect([kind, shown]).toEqual(["edited", expect.stringContaining(`PEERLINE_NAME = "api"`)]);
    expect(serverChange(codex).remove(text, undefined)).toBe("");
  });

  describe("what Codex adds when its user always allows a tool", () => {
    const allowed = `[mcp_servers.peerline.tools.send_message]\napproval_mode = "approve"\n`;

    test.each([
      ["at the end", `model = "x"\n\n${block}\n${allowed}`],
      ["between the two comments", `model = "x"\n\n${block.replace("# <<<", `\n${allowed}# <<<`)}`],
      ["before the entry", `model = "x"\n\n${allowed}\n${block}`],
      [
        "in the entry itself",
        `model = "x"\n\n${block.replace("# <<<", `tools.send_message.approval_mode = "approve"\n# <<<`)}`,
      ],
    ])("%s stays while the entry is replaced, and goes with it", (_name, text) => {
      const change = serverChange(codex, { program: "/srv/peerline.js" });
      expect(change.entry(text).kind).toBe("own");
      const after = change.put(text);
      expect(change.put(after)).toBe(after);
      expect(parse(after)).toEqual({
        model: "x",
        mcp_servers: {
          peerline: {
            command: "/usr/bin/node",
            args: ["/srv/peerline.js", "mcp"],
            env_vars: ["PEERLINE_NAME", "PEERLINE_HOME", "PEERLINE_BROKER", "CODEX_HOME"],
            tool_timeout_sec: 300,
            tools: { send_message: { approval_mode: "approve" } },
          },
        },
      });
      for (const installed of [text, after]) {
        expect(change.remove(installed, undefined)).toBe(`model = "x"\n`);
      }
    });

    test("stays beside an entry that it allows to call all tools", () => {
      const trusted = serverChange(codex, { trust: true }).put(undefined);
      expect(serverChange(codex).put(`${trusted}\n${allowed}`)).toBe(`${trusted}\n${allowed}`);
    });

    test("does not hide what somebody added", () => {
      const text = `${oneLiner}enabled = false\n\n${allowed}`;
      const { kind, shown } = serverChange(codex).entry(text);
      expect([kind, shown]).toEqual(["edited", expect.not.stringContaining("approval_mode")]);
      expect(serverChange(codex).put(text)).toContain(`approval_mode = "approve"`);
    });

    test("alone is a leftover, which goes and does not come back", () => {
      const text = `model = "x"\n\n${allowed}`;
      const change = serverChange(codex);
      expect(change.entry(text)).toMatchObject({ kind: "leftover" });
      expect(change.remove(text, undefined)).toBe(`model = "x"\n`);
      expect(parse(change.put(text))).toMatchObject({
        mcp_servers: { peerline: { tools: { send_message: { approval_mode: "approve" } } } },
      });
    });
  });

  test("tables that Codex wrote between the two comments stay", () => {
    // It puts what it adds at the end of the file before the last comment, and drops the first.
    const text = `${oneLiner.trim()}\n\n[mcp_servers.other]\ncommand = "/bin/true"\n# <<< peerline\n\n[projects."/x"]\ntrust_level = "trusted"\n`;
    expect(serverChange(codex).remove(text, undefined)).toBe(
      `[mcp_servers.other]\ncommand = "/bin/true"\n\n[projects."/x"]\ntrust_level = "trusted"\n`,
    );
  });

  test("in a project it is .codex/config.toml", () => {
    expect(changesOf(codex, { scope: "project" })[0]?.path).toBe("/srv/shop/.codex/config.toml");
  });
});
