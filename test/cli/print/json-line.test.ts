import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonLine } from "../../../src/cli/print/json-line.js";

test("nothing that a terminal acts on is left, and nothing is lost", () => {
  const text = "\u001B[2J\u009B31m\u202Etxt\u2028\u007F\n";
  const line = jsonLine({ text });
  expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/u);
  expect(JSON.parse(line)).toEqual({ text });
});

test("any text comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(JSON.parse(jsonLine(text))).toBe(text);
    }),
  );
});
