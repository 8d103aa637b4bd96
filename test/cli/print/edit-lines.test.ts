import { expect, test } from "vitest";
import { difference } from "../../../src/cli/print/edit-lines.js";

test("what is added between lines shows as lines, with the line where it stands", () => {
  expect(difference("a\nb\n", "a\nx\ny\nb\n")).toEqual(["@@ line 2 @@", "+x", "+y"]);
  expect(difference("a\n", "a\nx\n")).toEqual(["@@ line 2 @@", "+x"]);
  expect(difference("", "x\n")).toEqual(["@@ line 1 @@", "+x"]);
});

test("what is taken out shows as lines too", () => {
  expect(difference("a\nx\nb\n", "a\nb\n")).toEqual(["@@ line 2 @@", "-x"]);
  expect(difference("x\n", "")).toEqual(["@@ line 1 @@", "-x"]);
});

test("a line that changes shows as it was and as it will be", () => {
  expect(difference("a\n{}\nb", "a\n{x}\nb")).toEqual(["@@ line 2 @@", "-{}", "+{x}"]);
  expect(difference("a", "a\nb\n")).toEqual(["@@ line 2 @@", "+b"]);
  expect(difference("a\r\nb\r\n", "a\r\nx\r\nb\r\n")).toEqual(["@@ line 2 @@", "+x"]);
});

test("of a very long line only the part that changes shows: the rest may hold secrets", () => {
  const secret = "s".repeat(500);
  expect(difference(`{"a":"${secret}"}`, `{"x":1,"a":"${secret}"}`)).toEqual([
    "@@ line 1 @@",
    `+x":1,"`,
  ]);
});
