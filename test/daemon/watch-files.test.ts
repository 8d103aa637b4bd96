import { appendFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { watchFiles } from "../../src/daemon/watch-files.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

test("tells of a file that is removed", async () => {
  const path = join(temporaryDirectory(), "lock.db");
  writeFileSync(path, "");
  const gone = new Promise((resolve) => watchFiles([path], resolve));
  appendFileSync(path, "changed");
  unlinkSync(path);
  expect(await gone).toBe(path);
});

test("tells once of a directory that is removed with all its files", async () => {
  const directory = temporaryDirectory();
  const paths = ["broker.sock", "lock.db"].map((name) => join(directory, name));
  for (const path of paths) writeFileSync(path, "");
  const gone: string[] = [];
  watchFiles(paths, (path) => gone.push(path));
  rmSync(directory, { recursive: true });
  await expect.poll(() => gone).toHaveLength(1);
  await sleep(50);
  expect(gone).toHaveLength(1);
});

test("tells nothing after its end, nor of a file that was never there", async () => {
  const path = join(temporaryDirectory(), "lock.db");
  writeFileSync(path, "");
  const gone: string[] = [];
  const watch = watchFiles([path, `${path}.missing`], (removed) => gone.push(removed));
  watch[Symbol.dispose]();
  unlinkSync(path);
  await sleep(50);
  expect(gone).toEqual([]);
});
