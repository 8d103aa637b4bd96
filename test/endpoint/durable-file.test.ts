import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { placeFile } from "../../src/endpoint/durable-file.js";
import { temporaryDirectory } from "./temporary-directory.js";

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
