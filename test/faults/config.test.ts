import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { compilePreload } from "./preload.js";
import { folderFile, recordProgram } from "./recording.js";
import { Steps } from "./steps.js";

test("a host's file has its new text on the disk before it takes its name, and then the name", async (context) => {
  const folder = temporaryDirectory();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  const recorded = join(folder, "host");
  mkdirSync(recorded);
  writeFileSync(join(recorded, "config.json"), "[]");
  const name = "recorded-config";
  const parameters = [join(recorded, "config.json")];
  const steps = new Steps(
    await recordProgram({ name, parameters, folder, recorded, preload: preload.path }),
  );
  const draft = steps.numberOf(/^config\.json\..+\.new$/);
  steps.expectOrder(
    steps.lastIndexOf("write", draft),
    steps.lastIndexOf("sync", draft),
    steps.lastIndexOf("sync", folderFile),
  );
});
