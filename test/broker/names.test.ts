import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { automaticName } from "../../src/broker/peers/names.js";
import { readName } from "../../src/contract/names.js";

describe("a name that nobody asks for", () => {
  test.each([
    ["system", PeerKind.AGENT, "system-agent"],
    ["user", PeerKind.PERSON, "user-person"],
    ["tool", PeerKind.PROGRAM, "tool-program"],
    ["Müller", PeerKind.AGENT, "muller"],
    ["後端", PeerKind.AGENT, "peer"],
    ["", PeerKind.AGENT, "peer"],
    ["sy.stem", PeerKind.AGENT, "sy.stem-agent"],
    ["user-2", PeerKind.AGENT, "user-2-agent"],
    [`u${"-".repeat(36)}ser`, PeerKind.PROGRAM, `u${"-".repeat(31)}-program`],
    ["01234567-89ab-7def-8123-456789abcdef", PeerKind.AGENT, "89abcdef-agent"],
    ["DeadBeef", PeerKind.PERSON, "deadbeef-person"],
    ["deadbee", PeerKind.AGENT, "deadbee"],
    ["deadbeef-2", PeerKind.AGENT, "deadbeef-2"],
  ])("%j of kind %i is %s", (text, kind, name) => {
    expect(automaticName(text, kind)).toBe(name);
  });

  test("is always one that may be asked for, and stays what it is", () => {
    const divided = fc
      .tuple(
        fc.constantFrom("user", "system", "everybody"),
        fc.array(fc.constantFrom(".", "_", "-", "2", "\u200B")),
      )
      .map(([word, marks]) =>
        word
          .split("")
          .map((letter, at) => letter + (marks[at] ?? ""))
          .join(""),
      );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "grapheme" }), divided), (text) => {
        const name = automaticName(text, PeerKind.AGENT);
        expect(readName(name)).toEqual({ name });
        expect(automaticName(name, PeerKind.AGENT)).toBe(name);
      }),
    );
  });
});
