import { appendFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openRegularFile, readRegularFile } from "../../src/endpoint/regular-file.js";
import { growthDuring, obstacles, obstruct } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

const maxBytes = 1000;

test("reads a file that has just as many bytes as are allowed, and none with one more", async () => {
  const path = join(temporaryDirectory(), "file");
  writeFileSync(path, "x".repeat(maxBytes));
  expect((await readRegularFile(path, maxBytes))?.bytes?.toString()).toBe("x".repeat(maxBytes));
  appendFileSync(path, "y");
  const { bytes, stats } = (await readRegularFile(path, maxBytes)) ?? {};
  expect({ bytes, size: stats?.size }).toEqual({ bytes: undefined, size: maxBytes + 1 });
});

test.each(obstacles)("%s is not read", async (_, put) => {
  const path = join(temporaryDirectory(), "file");
  obstruct(path, put, "text");
  const growth = await growthDuring(async () => {
    expect((await readRegularFile(path, maxBytes))?.bytes).toBeUndefined();
    using file = openRegularFile(path);
    expect(file?.read(0, 4).toString() ?? "text").toBe("text");
  });
  expect(growth).toBeLessThan(100e6);
});

test("there may be nothing", async () => {
  const path = join(temporaryDirectory(), "file");
  expect(await readRegularFile(path, maxBytes)).toBeUndefined();
  expect(openRegularFile(path)).toBeUndefined();
});

test("a link is followed, or refused where that is asked for", async () => {
  const folder = temporaryDirectory();
  const link = join(folder, "link");
  writeFileSync(join(folder, "file"), "text");
  symlinkSync("file", link);
  expect((await readRegularFile(link, maxBytes))?.bytes?.toString()).toBe("text");
  expect(await readRegularFile(link, maxBytes, "refuse")).toBeUndefined();
  using followed = openRegularFile(link);
  expect(followed?.read(1, 2).toString()).toBe("ex");
  expect(openRegularFile(link, "refuse")).toBeUndefined();
});

test.runIf(process.platform === "linux")("a file that claims no size is bounded too", async () => {
  const words = (await readRegularFile("/proc/self/cmdline", 1e6))?.bytes?.toString();
  expect(words).toContain(process.argv0);
  expect((await readRegularFile("/proc/self/cmdline", 3))?.bytes).toBeUndefined();
});
