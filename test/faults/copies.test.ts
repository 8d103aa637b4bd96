import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { compilePreload } from "./preload.js";
import { folderFile, recordProgram } from "./recording.js";
import { Steps } from "./steps.js";

test("a backup is on the disk before its database is migrated, and what was salvaged before it is used", async (context) => {
  const folder = temporaryDirectory();
  const preload = compilePreload("record-writes", folder);
  if ("impossible" in preload) return context.skip(preload.impossible);
  const recorded = join(folder, "home");
  mkdirSync(recorded);
  const record = async (deed: "make" | "migrate" | "salvage"): Promise<Steps> => {
    const own = join(folder, deed);
    mkdirSync(own);
    const parameters = [join(recorded, "peerline.db"), deed];
    const name = "recorded-copies";
    return new Steps(
      await recordProgram({ name, parameters, folder: own, recorded, preload: preload.path }),
    );
  };
  await record("make");

  const migration = await record("migrate");
  const backedUp = namedAfterSync(migration, /^peerline\.db\.v\d+-backup\.part$/);
  const log = migration.numberOf(/^peerline\.db-wal$/);
  migration.expectOrder(backedUp, migration.lastIndexOf("write", log));
  migration.expectOrder(migration.indexOf("write", log, backedUp));

  namedAfterSync(await record("salvage"), /^peerline\.db\.salvage$/);
});

/** Where the folder was synced in which a copy got its name, after all of the copy was. */
function namedAfterSync(steps: Steps, copy: RegExp): number {
  const file = steps.numberOf(copy);
  const begun = steps.indexOf("write", file);
  const named = steps.indexOf("sync", folderFile, begun);
  const written = steps.lastIndexOf("write", file, named);
  steps.expectOrder(begun, written, steps.lastIndexOf("sync", file, named), named);
  return named;
}
