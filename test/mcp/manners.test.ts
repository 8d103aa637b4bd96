import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../gen/peerline/v1/peer_pb.js";
import { usualInstructions as instructions } from "../../src/mcp/tool-server.js";
import { definitions } from "../../src/mcp/tools/definitions.js";
import { sendMessage } from "../../src/mcp/tools/send-message.js";

const skill = readFileSync(join(import.meta.dirname, "../../src/hosts/skill/SKILL.md"), "utf8");
const [, head = "", body = ""] = skill.split(/^---$/m);

describe("the manners that a model is told", () => {
  test("the skill keeps within the bounds of every host", () => {
    const fields = Object.fromEntries(
      head
        .trim()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
    );
    expect(Object.keys(fields)).toEqual(["name", "description"]);
    expect(fields["name"]).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(fields["name"]?.length).toBeLessThanOrEqual(64);
    expect(fields["description"]?.length).toBeLessThan(1024);
    // Plain YAML, so that a host that reads it line by line gets the same.
    expect(fields["description"]).not.toMatch(/: | #|^["'>|[{&*!%@`]/);
    expect(body.split("\n").length).toBeLessThanOrEqual(60);
  });

  test("name no tool, parameter or state that does not exist", () => {
    const known = new Set([
      ...definitions.flatMap(({ name, parameters }) => [name, ...Object.keys(parameters().shape)]),
      ...words(ReceiptState),
      ...words(Reach),
    ]);
    for (const text of [instructions, skill]) {
      const named = text.match(/\b[a-z]+(?:_[a-z]+)+\b/g) ?? [];
      expect(named.length).toBeGreaterThan(5);
      expect(named.filter((name) => !known.has(name))).toEqual([]);
    }
    for (const { name } of definitions) expect(instructions).toContain(name);
  });

  test("explain every state and reach that a result can tell", () => {
    for (const word of [...words(ReceiptState), ...words(Reach)]) {
      expect(body).toContain(`\`${word}\``);
    }
    for (const word of words(Reach)) expect(sendMessage.description).toContain(word);
  });
});

function words(values: Readonly<Record<string, string | number>>): string[] {
  return Object.keys(values)
    .filter((name) => !/^\d+$/.test(name) && name !== "UNSPECIFIED")
    .map((name) => name.toLowerCase());
}
