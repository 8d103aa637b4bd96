import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { placeFile, writeDurably } from "../src/durable-file.js";
import { temporaryDirectory } from "./endpoint/temporary-directory.js";

test("of many drafts one gets the name, and the others hear that it is taken", async () => {
  const path = join(temporaryDirectory(), "secret");
  const drafts = Array.from({ length: 20 }, (_, index) => `${path}.${index}`);
  for (const draft of drafts) writeFileSync(draft, draft);
  const outcomes = await Promise.allSettled(drafts.map((draft) => placeFile(draft, path)));
  const [winner, ...others] = drafts.filter((_, index) => outcomes[index]?.status === "fulfilled");
  expect(others).toEqual([]);
  expect(readFileSync(path, "utf8")).toBe(winner);
  expect(existsSync(winner ?? "")).toBe(false);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "EEXIST" });
  }
});

test("a file is replaced at once, with the mode of the one before, and no draft is left", async () => {
  const path = join(temporaryDirectory(), "settings");
  writeFileSync(path, "before", { mode: 0o640 });
  await writeDurably(path, "after", { replaces: true, like: statSync(path) });
  expect(readFileSync(path, "utf8")).toBe("after");
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(dirname(path))).toEqual(["settings"]);
});

test("a write that its check refuses changes nothing, and leaves no draft", async () => {
  const path = join(temporaryDirectory(), "settings");
  writeFileSync(path, "before");
  const refused = writeDurably(path, "after", {
    replaces: true,
    check: () => Promise.reject(new Error("it has changed")),
  });
  await expect(refused).rejects.toThrow("it has changed");
  await expect(writeDurably(path, "after")).rejects.toMatchObject({ code: "EEXIST" });
  expect(readFileSync(path, "utf8")).toBe("before");
  expect(readdirSync(dirname(path))).toEqual(["settings"]);
});
