import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { watchFiles, type Loss } from "../../src/daemon/watch-files.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

test("tells of a file that is removed", async () => {
  const { file, lost } = watchedHome();
  appendFileSync(file, "changed");
  unlinkSync(file);
  await expect.poll(lost).toEqual([[file, "removed"]]);
});

test("tells of a file that another one is renamed over", async () => {
  const { folder, file, lost } = watchedHome();
  writeFileSync(join(folder, "other"), "");
  renameSync(join(folder, "other"), file);
  await expect.poll(lost).toEqual([[file, "replaced"]]);
});

test("tells once of a folder that is removed with all its files", async () => {
  const { folder, lost } = watchedHome();
  rmSync(folder, { recursive: true });
  await expect.poll(lost).toHaveLength(1);
  await sleep(50);
  expect(lost()).toHaveLength(1);
});

test.each([
  ["removed", () => {}],
  ["replaced", (folder: string) => mkdirSync(folder)],
] as const)("tells of a folder that is moved away: it is %s", async (loss, then) => {
  const { folder, lost } = watchedHome();
  renameSync(folder, `${folder}.was`);
  then(folder);
  await expect.poll(lost).toEqual([[folder, loss]]);
});

test("tells nothing of other files, of a change, or after its end", async () => {
  const { folder, file, lost, watch } = watchedHome();
  writeFileSync(join(folder, "other"), "");
  chmodSync(file, 0o600);
  appendFileSync(file, "changed");
  writeFileSync(`${folder}.other`, "");
  await sleep(50);
  watch[Symbol.dispose]();
  unlinkSync(file);
  await sleep(50);
  expect(lost()).toEqual([]);
});

/** A folder with a watched file in it, and one that was never there. */
function watchedHome() {
  const folder = join(temporaryDirectory(), "home");
  mkdirSync(folder);
  const file = join(folder, "broker.sock");
  writeFileSync(file, "");
  const lost: [string, Loss][] = [];
  const files = [file, `${file}.missing`];
  const watch = watchFiles({ folder, files }, (...words) => lost.push(words));
  onTestFinished(() => watch[Symbol.dispose]());
  return { folder, file, lost: () => lost, watch };
}
