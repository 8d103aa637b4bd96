import { expect, test } from "vitest";
import { printable, printableLine } from "../../src/cli/printable.js";

test("colours and movements are removed whole", () => {
  expect(printable("a\u001B[2J\u001B[31mred\u001B[0mb")).toBe("aredb");
  expect(printable("a\u009B31mb")).toBe("ab");
});

test("a title for the terminal becomes text that does nothing", () => {
  expect(printable("\u001B]0;a title\u0007text")).not.toMatch(/\p{Cc}/u);
});

test("controls that are left are removed, but for line breaks and tabs", () => {
  expect(printable("a\u0000\u0007\u0008\u007F\u0085\tb\nc")).toBe("a\tb\nc");
  expect(printable("\u001B")).toBe("");
});

test("every kind of line break becomes one that cannot overwrite the line", () => {
  expect(printable("safe\roverwritten\r\nnext\u2028last")).toBe("safe\noverwritten\nnext\nlast");
});

test("marks that reorder text are removed", () => {
  expect(printable("exe.\u202Etxt\u202C \u2066x\u2069 \u200F\u061C")).toBe("exe.txt x ");
});

test("what people write stays", () => {
  const text = "Grüße, 漢字, 👩‍👩‍👧, עברית; a < b && c";
  expect(printable(text)).toBe(text);
});

test("a line stays one line", () => {
  expect(printableLine(" one\n  two\tthree\r\n")).toBe("one two three");
});
