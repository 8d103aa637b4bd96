import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openHome } from "../../src/endpoint/home.js";
import { temporaryDirectory } from "./temporary-directory.js";

test("makes the home and what leads to it, closed to other users", () => {
  const path = join(temporaryDirectory(), "a", "home");
  const home = openHome(path);
  expect(home.path).toBe(path);
  expect(modeOf(path)).toBe(0o700);
  expect(home.socketPath).toBe(join(path, "broker.sock"));
});

test("opens a home again", () => {
  const path = join(temporaryDirectory(), "home");
  openHome(path);
  writeFileSync(join(path, "file"), "");
  expect(openHome(path).path).toBe(path);
});

test("names a linked home by where it really is", () => {
  const directory = temporaryDirectory();
  const real = openHome(join(directory, "real"));
  symlinkSync(real.path, join(directory, "link"));
  expect(openHome(join(directory, "link"))).toEqual(real);
});

test("closes an empty directory that others may enter", () => {
  const path = join(temporaryDirectory(), "home");
  mkdirSync(path);
  chmodSync(path, 0o755);
  openHome(path);
  expect(modeOf(path)).toBe(0o700);
});

test("refuses a directory with files in it that others may enter, and leaves it as it is", () => {
  const path = temporaryDirectory();
  chmodSync(path, 0o750);
  writeFileSync(join(path, "file"), "");
  expect(() => openHome(path)).toThrow(
    expect.objectContaining({
      code: "HOME_UNUSABLE",
      message: expect.stringContaining(`chmod 700 '${path}'`),
    }),
  );
  expect(modeOf(path)).toBe(0o750);
});

test("refuses a directory of another user", () => {
  const directory = temporaryDirectory();
  const isRoot = process.getuid?.() === 0;
  if (isRoot) chownSync(directory, 65_534, 65_534);
  expect(() => openHome(isRoot ? directory : "/")).toThrow(/belongs to another user/);
});

test.each([
  ["a path below a file", (directory: string) => join(directory, "file", "home")],
  ["a file", (directory: string) => join(directory, "file")],
  ["a file system that takes no directory", () => "/proc/peerline/home"],
])("refuses %s with a sentence", (_what, pathIn) => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "file"), "");
  expect(() => openHome(pathIn(directory))).toThrow(
    expect.objectContaining({
      code: "HOME_UNUSABLE",
      message: expect.stringContaining("PEERLINE_HOME"),
    }),
  );
});

test("refuses a path whose socket would be cut off, and takes the longest that is not", () => {
  const directory = temporaryDirectory();
  const longest = join(directory, "h".repeat(103 - Buffer.byteLength(`${directory}//broker.sock`)));
  expect(Buffer.byteLength(openHome(longest).socketPath)).toBe(103);
  expect(() => openHome(`${longest}h`)).toThrow(
    expect.objectContaining({
      code: "SOCKET_PATH_TOO_LONG",
      message: expect.stringContaining("PEERLINE_HOME"),
    }),
  );
  expect(existsSync(longest)).toBe(true);
});

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
