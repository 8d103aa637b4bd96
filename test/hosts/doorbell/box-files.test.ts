import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { maxSmallFileBytes } from "../../../src/hosts/limits.js";
import { readSmallFile } from "../../../src/hosts/doorbell/box-files.js";
import { temporaryDirectory } from "../../endpoint/temporary-directory.js";
import { obstacles, obstruct } from "../../support/obstacles.js";

test("reads a file of a few bytes, and none of more", () => {
  const path = join(temporaryDirectory(), "turn");
  writeFileSync(path, "x".repeat(maxSmallFileBytes));
  expect(readSmallFile(path)?.text).toBe("x".repeat(maxSmallFileBytes));
  writeFileSync(path, "x".repeat(maxSmallFileBytes + 1));
  expect(readSmallFile(path)).toBeUndefined();
});

test("a link to a file counts as none", () => {
  const path = join(temporaryDirectory(), "turn");
  writeFileSync(`${path}.elsewhere`, "busy\n");
  symlinkSync("turn.elsewhere", path);
  expect(readSmallFile(path)).toBeUndefined();
});

test.each(obstacles)("%s counts as none", (_, put) => {
  const path = join(temporaryDirectory(), "turn");
  obstruct(path, put, "busy\n");
  expect(readSmallFile(path)).toBeUndefined();
});
