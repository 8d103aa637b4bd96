import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startClaimMs } from "../../src/endpoint/limits.js";
import { claimStart } from "../../src/endpoint/start-claim.js";
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

test("giving back a claim twice is no error, and takes none from its next owner", () => {
  const path = join(temporaryDirectory(), "broker.starting");
  const claim = claimStart(path);
  expect(claim).toBeDefined();
  claim?.[Symbol.dispose]();
  expect(claimStart(path)).toBeDefined();
  claim?.[Symbol.dispose]();
  expect(existsSync(path)).toBe(true);
});
