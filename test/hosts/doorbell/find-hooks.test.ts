import { describe, expect, test } from "vitest";
import { claudeCode } from "../../../src/hosts/claude-code/host.js";
import { codex } from "../../../src/hosts/codex/host.js";
import { geminiCli } from "../../../src/hosts/gemini-cli/host.js";
import type { Host } from "../../../src/hosts/host.js";
import { changesOf, hooksChange, testRestored, testRoundTrip } from "../round-trip.js";

/** As people have them: a formatter, a guard and a notifier, with matchers and without. */
const others = `{
  "model": "opus",
  "hooks": {
    "PostToolUse": [
      {
        "matcher": "Edit|Write",
        "hooks": [{ "type": "command", "command": "jq -r .tool_input.file_path | xargs prettier --write" }]
      },
      { "hooks": [{ "type": "command", "command": "/srv/shop/bin/doorbell.sh ring" }] }
    ],
    "Stop": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "notify-send 'Turn over'"
          }
        ]
      }
    ],
    "AfterTool": [
      { "matcher": "write_file", "hooks": [{ "name": "lint", "type": "command", "command": "npm run lint" }] }
    ]
  },
  "env": { "FOO": "1" }
}
`;

const configurations = {
  "no file": null,
  "no hooks": `{\n  "theme": "dark"\n}\n`,
  "hooks of others": others,
  "hooks of others, in one line": JSON.stringify(JSON.parse(others)),
  "odd spacing": `{ "hooks" :{"Stop":[]  ,\n\t"PostToolUse" : [ {"hooks":[ {"type":"command","command":"x"}]} ],"AfterAgent":[]}  }`,
  "tabs and CRLF": others.replaceAll("  ", "\t").replaceAll("\n", "\r\n"),
};

/** What only the backup knows. */
const emptied = {
  "an empty file": "",
  "blanks in what is empty": `{ "hooks": { "Stop": [ ], "AfterAgent": [\n] } }`,
};

const hosts: readonly Host[] = [claudeCode, codex, geminiCli];

describe.each(hosts)("the hooks of $title", (installer) => {
  testRoundTrip(installer, configurations, hooksChange);
  testRestored(installer, emptied, hooksChange);

  test("come after those of others, which their host knows by their places", () => {
    const change = hooksChange(installer);
    const before = JSON.parse(others).hooks as Record<string, unknown[]>;
    const after = JSON.parse(change.put(others)).hooks as Record<string, unknown[]>;
    for (const [event, theirs] of Object.entries(before)) {
      expect(after[event]?.slice(0, theirs.length)).toEqual(theirs);
    }
  });

  test("run the script beside the program, if it is there, with their host's process", () => {
    const commands = commandsIn(hooksChange(installer).put(undefined));
    expect(commands.length).toBeGreaterThanOrEqual(4);
    const form =
      /^\[ ! -r '\/opt\/peerline\/dist\/doorbell.sh' \] \|\| sh '\/opt\/peerline\/dist\/doorbell.sh' [a-z]+ [A-Za-z]+ \$PPID$/;
    for (const command of commands) expect(command).toMatch(form);
  });

  test("of an older place are fixed where they stand", () => {
    const change = hooksChange(installer);
    const moved = hooksChange(installer, { program: "/old/it's here/dist/peerline.js" }).put(
      others,
    );
    expect(change.entry(moved).kind).toBe("own");
    expect(change.put(moved)).toBe(change.put(others));
    expect(change.remove(moved, others)).toBe(others);
  });

  test("that somebody changed are not replaced without asking", () => {
    const change = hooksChange(installer);
    const edited = change.put(others).replace(/("timeout": )\d+/, "$11");
    expect(change.entry(edited).kind).toBe("edited");
    expect(commandsIn(`{"hooks":{"changed":${change.entry(edited).shown}}}`)).toHaveLength(1);
  });

  test("leave what somebody put beside them where it is, and go without it", () => {
    const change = hooksChange(installer);
    const mine = `{ "type": "command", "command": "echo MINE" }`;
    for (const [pattern, joined] of [
      [/("hooks": \[\s*)(\{[^{}]*doorbell\.sh[^{}]*\})/, `$1${mine}, $2`],
      [/("hooks": \[\s*\{[^{}]*doorbell\.sh[^{}]*\})/, `$1, ${mine}`],
    ] as const) {
      const shared = change.put(others).replace(pattern, joined);
      expect(shared).toContain(mine);
      expect(change.entry(shared).kind).toBe("own");
      expect(change.put(shared)).toBe(shared);
      const moved = hooksChange(installer, { program: "/moved/peerline.js" });
      expect(moved.put(shared)).toBe(shared.replaceAll("/opt/peerline/dist/", "/moved/"));
      const removed = change.remove(shared, others) ?? "";
      expect(removed).toContain(mine);
      expect(removed).not.toMatch(/'[^']*doorbell\.sh'/);
      expect(JSON.parse(JSON.stringify(JSON.parse(removed)).replace(alone, ""))).toEqual(
        JSON.parse(others),
      );
    }
  });

  test("leave a group that somebody made their own to them, when they are put back by force", () => {
    const change = hooksChange(installer);
    const mine = `{ "matcher": "Edit", "hooks": [{ "type": "command", "command": "echo MINE" }, `;
    const shared = change
      .put(undefined)
      .replace(/\{\s*"hooks": \[(?=\s*\{[^{}]*doorbell\.sh)/, mine);
    expect(change.entry(shared).kind).toBe("edited");
    const forced = change.put(shared);
    expect(change.entry(forced).kind).toBe("own");
    const groups = Object.values(
      (JSON.parse(forced) as { hooks: Record<string, object[]> }).hooks,
    ).flat();
    expect(groups).toContainEqual(JSON.parse(`${mine.replace(/, $/, "")}]}`));
    expect(commandsIn(forced).filter((command) => command.includes("doorbell.sh"))).toHaveLength(
      commandsIn(change.put(undefined)).length,
    );
  });

  test("stay away where they are not wanted", () => {
    const text = changesOf(installer)
      .map((change) => change.put(undefined))
      .join("");
    expect(text).not.toContain("doorbell.sh");
  });
});

test("a file whose server is another's, and whose hooks are not, is not touched without asking", () => {
  const change = hooksChange(geminiCli);
  const server = `"mcpServers": { "peerline": { "command": "other" } }`;
  const text = change.put(undefined).replace(/"mcpServers": \{[^]*?\n {2}\}/, server);
  expect(change.entry(text).kind).toBe("edited");
  expect(change.remove(text, undefined)).toContain(server);
  expect(change.remove(text, undefined)).not.toContain("doorbell.sh");
});

/** The group of one command, and the comma before it. */
const alone =
  /,?\{"hooks":\[\{"type":"command","command":"echo MINE"\}\]\}|"[A-Za-z]+":\[\{"hooks":\[\{"type":"command","command":"echo MINE"\}\]\}\],/;

function commandsIn(text: string): string[] {
  const { hooks } = JSON.parse(text) as {
    hooks: Record<string, { hooks: { command: string }[] }[]>;
  };
  return Object.values(hooks).flatMap((elements) =>
    elements.flatMap((element) => element.hooks.map(({ command }) => command)),
  );
}
