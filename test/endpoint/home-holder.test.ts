import { join } from "node:path";
import { expect, test } from "vitest";
import { noteHolder, readHolder } from "../../src/endpoint/home-holder.js";
import { noteStartFailure, recentStartFailure } from "../../src/endpoint/start-failure.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

test.each(obstacles.filter(([what]) => !what.startsWith("a file")))(
  "%s in the place of a broker's notes is passed over without waiting",
  async (_, put) => {
    const path = join(temporaryDirectory(), "note");
    obstruct(path, put);
    noteStartFailure(path, { code: "STORE_DAMAGED", message: "It is damaged." });
    expect(recentStartFailure(path)).toBeUndefined();
    using holder = noteHolder(path);
    expect(holder).toBeDefined();
    expect(await readHolder(path)).toBeUndefined();
  },
);
