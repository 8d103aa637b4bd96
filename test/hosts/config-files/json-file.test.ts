import fc from "fast-check";
import { parse } from "jsonc-parser";
import { expect, test } from "vitest";
import { JsonFile } from "../../../src/hosts/config-files/json-file.js";

const file = new JsonFile("/home/ada/x.json", { comments: true, trailingCommas: true });
const member = { within: ["mcpServers"], name: "peerline", value: { command: "/usr/bin/node" } };
const element = { within: ["permissions", "allow"], name: undefined, value: "mcp__peerline__*" };
const marked = (held: unknown) => (held as { id?: unknown } | null)?.id === "own";
const object = {
  within: ["hooks"],
  name: undefined,
  value: { id: "own", n: 1 },
  isElement: marked,
};

/** Objects that often have what the members are put into. */
const settings = fc.record(
  {
    mcpServers: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
    permissions: fc.record(
      { allow: fc.array(fc.string(), { maxLength: 3 }) },
      { requiredKeys: [] },
    ),
    hooks: fc.array(fc.jsonValue(), { maxLength: 3 }),
    other: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test("whatever the settings and their indentation, they come back to the byte", () => {
  const layout = fc.constantFrom("", "  ", "    ", "\t");
  fc.assert(
    fc.property(settings, layout, fc.boolean(), (value, indent, crlf) => {
      const text = JSON.stringify(value, null, indent).replaceAll("\n", crlf ? "\r\n" : "\n");
      for (const one of [member, element, object]) {
        fc.pre(file.read(text, one) === undefined);
        const after = file.put(text, one);
        expect(file.read(after, one)).toEqual(one.value);
        expect(file.remove(after, one, text)).toBe(text);
      }
    }),
  );
});

test("wherever comments and blanks stand, all else stays, and no comment is lost", () => {
  const trivia = fc.array(fc.constantFrom(" ", "\n", "\t", "\r\n", "/*c*/", "//c\n"), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(settings, fc.infiniteStream(trivia), (value, stream) => {
      const text = JSON.stringify(value).replaceAll(
        /"(?:[^"\\]|\\.)*"|[[\]{},:]/g,
        (token) => `${between(stream)}${token}${between(stream)}`,
      );
      for (const one of [member, element, object]) {
        fc.pre(file.read(text, one) === undefined);
        const after = file.put(text, one);
        const removed = file.remove(after, one, text) ?? "";
        expect(parse(removed)).toEqual(parse(text));
        expect(commentsIn(after)).toBe(commentsIn(text));
        expect(commentsIn(removed)).toBe(commentsIn(text));
      }
    }),
  );
});

test("what goes deeper than any reader of it could is refused, and what does not is read", () => {
  expect(file.put(nested(499), member)).toContain("/usr/bin/node");
  for (const text of [nested(500), nested(200_000), `{"a":`.repeat(200_000)]) {
    const refused = expect.objectContaining({
      code: "CONFIG_BROKEN",
      message: expect.stringMatching(/^\/home\/ada\/x\.json cannot be read as JSON \(line 1/),
    });
    expect(() => file.read(text, member)).toThrow(refused);
  }
});

function nested(depth: number): string {
  return `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
}

function between(stream: Iterator<string[]>): string {
  return (stream.next().value as string[]).join("");
}

function commentsIn(text: string): number {
  const outside = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
  return outside.match(/\/\*c\*\/|\/\/c/g)?.length ?? 0;
}
