import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { compilePreload } from "./preload.js";
import { folderFile, recordProgram } from "./recording.js";
import { Steps } from "./steps.js";

test("a new secret, its name and its folder are on the disk before it is used", async (context) => {
  const folder = temporaryDirectory();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  const recorded = join(folder, "home");
  mkdirSync(recorded, { mode: 0o700 });
  const events = await recordProgram({
    name: "recorded-secrets",
    parameters: [recorded],
    folder,
    recorded,
    preload: preload.path,
  });
  const steps = new Steps(events);

  const secret = steps.numberOf(/^peers\/.+\.secret\..+\.new$/);
  const hasSecret = steps.indexOf("create", steps.numberOf(/^has a secret$/));
  steps.expectOrder(
    steps.indexOf("write", secret),
    steps.indexOf("sync", secret),
    // It has its name by now: this one is taken from it.
    steps.indexOfUnlinked(/^peers\/.+\.new$/),
    steps.lastIndexOf("sync", steps.numberOf(/^peers$/), hasSecret),
    hasSecret,
  );
  // The folder was made for it.
  steps.expectOrder(steps.indexOf("sync", folderFile), hasSecret);

  const token = steps.numberOf(/^operator\.token\..+\.new$/);
  const hasToken = steps.indexOf("create", steps.numberOf(/^has a token$/));
  steps.expectOrder(
    steps.indexOf("write", token),
    steps.indexOf("sync", token),
    steps.indexOfUnlinked(/^operator\.token\..+\.new$/),
    steps.lastIndexOf("sync", folderFile, hasToken),
    hasToken,
  );
});
