import pc from "picocolors";
import stringWidth from "string-width";
import { expect, test } from "vitest";
import { cut, table, wrap } from "../../../src/cli/print/columns.js";

test("columns are aligned by what the eye sees", () => {
  const { red } = pc.createColors(true);
  expect(
    table([
      ["a", "1"],
      ["漢字", "2"],
      [red("abc"), "3"],
    ]),
  ).toEqual(["a     1", "漢字  2", `${red("abc")}   3`]);
});

test("a short row does not widen others and leaves no blanks at its end", () => {
  expect(table([["name", "value"], ["x"], ["y", ""]])).toEqual(["name  value", "x", "y"]);
});

test("text that is too wide is cut between characters and says so", () => {
  expect(cut("abcdef", 6)).toBe("abcdef");
  expect(cut("abcdefg", 6)).toBe("abcde…");
  expect(cut("漢字漢字", 6)).toBe("漢字…");
  expect(cut("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 5)).toBe("👩‍👩‍👧👩‍👩‍👧…");
  expect(cut("abc", Number.POSITIVE_INFINITY)).toBe("abc");
});

test("a line that fits stays as it is", () => {
  expect(wrap("  two words  ", 13)).toEqual(["  two words  "]);
  expect(wrap("a b c", Number.POSITIVE_INFINITY)).toEqual(["a b c"]);
});

test("a longer one breaks between words, and what follows stands deeper than it", () => {
  expect(wrap("  one two three four", 12)).toEqual(["  one two", "    three", "    four"]);
  expect(wrap("name one two three", 12, { hanging: 5 })).toEqual([
    "name",
    "     one two",
    "     three",
  ]);
});

test("what is there to be copied stays whole", () => {
  expect(wrap("run `peerline send api hi` now", 12)).toEqual([
    "run",
    "  `peerline send api hi`",
    "  now",
  ]);
  expect(wrap("see /a/long/path/of/a/file", 12)).toEqual(["see", "  /a/long/path/of/a/file"]);
});

test("nothing is wider than the terminal where nothing has to stay whole", () => {
  const text = `${"漢字".repeat(20)} ${"x".repeat(50)} 👩‍👩‍👧👩‍👩‍👧 ${" ".repeat(40)}end`;
  for (const width of [4, 10, 33]) {
    for (const line of wrap(`   ${text}`, width, { hard: true })) {
      expect(stringWidth(line)).toBeLessThanOrEqual(width);
    }
  }
});

test("colours end and begin again with each line", () => {
  const { red } = pc.createColors(true);
  expect(wrap(red("  one two three"), 10)).toEqual([
    `  ${red("one")}`,
    `    ${red("two")}`,
    `    ${red("three")}`,
  ]);
});
