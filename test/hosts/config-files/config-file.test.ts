import { chmod, mkdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  assertWithin,
  makeFolder,
  readConfigFile,
  replaceConfigFile,
} from "../../../src/hosts/config-files/config-file.js";
import { growthDuring, obstacles, obstruct } from "../../support/obstacles.js";
import { UserFolder } from "../user-folder.js";

test("a file gets its new text, keeps its mode, and nothing else is left beside it", async () => {
  await using folder = await UserFolder.make();
  const path = join(folder.path, "config.json");
  await writeFile(path, "{}");
  await chmod(path, 0o664);
  await replaceConfigFile(await readConfigFile(path), "new");
  expect(await folder.contents()).toEqual({ "config.json": "664 new" });
});

test.each(obstacles)("%s in the place of a file is refused by its name", async (_, put) => {
  await using folder = await UserFolder.make();
  const path = join(folder.path, "config.json");
  obstruct(path, put, "{}");
  const growth = await growthDuring(async () => {
    await expect(readConfigFile(path)).rejects.toMatchObject({
      code: "CONFIG_UNUSABLE",
      message: expect.stringContaining(path),
    });
  });
  expect(growth).toBeLessThan(100e6);
});

test("a link stays a link: its file is written", async () => {
  await using folder = await UserFolder.make();
  await mkdir(join(folder.path, "dotfiles"));
  const target = join(folder.path, "dotfiles", "claude.json");
  const path = join(folder.path, ".claude.json");
  await writeFile(target, "{}");
  await symlink("dotfiles/claude.json", path);
  await replaceConfigFile(await readConfigFile(path), "new");
  expect(await readlink(path)).toBe("dotfiles/claude.json");
  expect(await readFile(target, "utf8")).toBe("new");
});

test("a new file is its user's alone, and so are the folders made for it", async () => {
  await using folder = await UserFolder.make();
  const path = join(folder.path, "a", "b", "config.toml");
  const file = await readConfigFile(path);
  expect(await makeFolder(file)).toBe(join(folder.path, "a"));
  await replaceConfigFile(file, "new");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder.path, "a"))).mode & 0o777).toBe(0o700);
});

test.each([
  ["changed", "{}", "theirs"],
  ["made", undefined, "theirs"],
  ["changed before it was to go", "{}", "theirs"],
])("a file that was %s meanwhile stays as it is", async (name, before, theirs) => {
  await using folder = await UserFolder.make();
  const path = join(folder.path, "config.json");
  if (before !== undefined) await writeFile(path, before);
  const file = await readConfigFile(path);
  await writeFile(path, theirs, { mode: 0o644 });
  const text = name.includes("go") ? undefined : "ours";
  await expect(replaceConfigFile(file, text)).rejects.toMatchObject({ code: "CONFIG_CHANGED" });
  expect(await folder.contents()).toEqual({ "config.json": "644 theirs" });
});

test("a file is within the root, and not within a folder whose name its folder's begins with", async () => {
  await using folder = await UserFolder.make();
  const path = join(folder.path, "shop-2", "mcp.json");
  await mkdir(join(folder.path, "shop"));
  await expect(assertWithin(path, "/")).resolves.toBeUndefined();
  await expect(assertWithin(path, folder.path)).resolves.toBeUndefined();
  const outside = { code: "LINK_OUTSIDE" };
  await expect(assertWithin(path, join(folder.path, "shop"))).rejects.toMatchObject(outside);
});

test("what is no text file is refused", async () => {
  await using folder = await UserFolder.make();
  const latin = join(folder.path, "latin.json");
  await writeFile(latin, Buffer.from([0x7b, 0xe9, 0x7d]));
  await expect(readConfigFile(latin)).rejects.toThrow(`${latin} is not UTF-8.`);
  await expect(readConfigFile(folder.path)).rejects.toThrow("is not a file");
  const dangling = join(folder.path, "dangling");
  await symlink("nowhere", dangling);
  await expect(readConfigFile(dangling)).rejects.toThrow("cannot be read (ENOENT)");
});
