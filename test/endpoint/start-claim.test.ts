import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startClaimMs } from "../../src/endpoint/limits.js";
import { ownRealm, stampProcess } from "../../src/endpoint/process-stamp.js";
import { claimStart } from "../../src/endpoint/start-claim.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

test("one claim at a time, free again when it is given back", () => {
  const path = join(temporaryDirectory(), "broker.starting");
  const claim = claimStart(path);
  expect(claim).toBeDefined();
  expect(claimStart(path)).toBeUndefined();
  claim?.[Symbol.dispose]();
  expect(existsSync(path)).toBe(false);
  expect(claimStart(path)).toBeDefined();
});

test.each([-1, 1])(
  "a claim that was never given back lapses, whatever the clock did (%d)",
  (sign) => {
    const path = join(temporaryDirectory(), "broker.starting");
    writeFileSync(path, "");
    const seconds = (Date.now() + sign * 2 * startClaimMs) / 1000;
    utimesSync(path, seconds, seconds);
    expect(claimStart(path)).toBeDefined();
    expect(claimStart(path)).toBeUndefined();
  },
);

test("a claim of a process that has ended lapses at once, and one of elsewhere does not", async () => {
  const path = join(temporaryDirectory(), "broker.starting");
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  writeFileSync(path, stampProcess(child.pid));
  expect(claimStart(path)).toBeUndefined();
  child.kill("SIGKILL");
  await once(child, "exit");
  const stamp = readFileSync(path, "utf8");
  writeFileSync(path, stamp.replace(/ \S{8}/, " 00000000"));
  expect(claimStart(path) === undefined).toBe(ownRealm() !== "");
  writeFileSync(path, stamp);
  expect(claimStart(path)).toBeDefined();
});

test.each(obstacles.filter(([what]) => !what.startsWith("a file")))(
  "%s in the place of a claim is refused by its name",
  (_, put) => {
    const path = join(temporaryDirectory(), "broker.starting");
    obstruct(path, put);
    expect(() => claimStart(path)).toThrow(`${path} is no regular file. Move it away.`);
  },
);

test("giving back a claim twice is no error, and takes none from its next owner", () => {
  const path = join(temporaryDirectory(), "broker.starting");
  const claim = claimStart(path);
  expect(claim).toBeDefined();
  claim?.[Symbol.dispose]();
  expect(claimStart(path)).toBeDefined();
  claim?.[Symbol.dispose]();
  expect(existsSync(path)).toBe(true);
});
