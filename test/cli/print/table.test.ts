import pc from "picocolors";
import { expect, test } from "vitest";
import { cut, table } from "../../../src/cli/print/table.js";

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
