import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  firstStartPauseMs,
  maxStartPauseMs,
  startClaimMs,
  startFailuresMs,
} from "../../src/endpoint/limits.js";
import { ownRealm, stampProcess } from "../../src/endpoint/process-stamp.js";
import {
  claimStart,
  forgetStartFailure,
  noteStartFailure,
  recentStartFailure,
} from "../../src/endpoint/start-turn.js";
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

const failure = { code: "STORE_DAMAGED", message: "It is damaged." } as const;

test("after each failure in a row the pause is twice as long, up to a bound", () => {
  const path = newPath();
  const pausesMs = Array.from({ length: 8 }, () => {
    noteStartFailure(path, failure);
    return pauseMs(path);
  });
  const doubled = pausesMs.map((_, index) =>
    Math.min(firstStartPauseMs * 2 ** index, maxStartPauseMs),
  );
  expect(pausesMs).toEqual(doubled);
});

test("what failed is told with its code, and when it is tried again", () => {
  const path = newPath();
  expect(recentStartFailure(path)).toBeUndefined();
  noteStartFailure(path, failure);
  expect(recentStartFailure(path)).toMatchObject({
    code: "STORE_DAMAGED",
    message: expect.stringMatching(/^It is damaged\. Agents start it again in 1 s/),
  });
  forgetStartFailure(path);
  forgetStartFailure(path);
  expect(recentStartFailure(path)).toBeUndefined();
});

test.each([-1, 1])("an old failure begins a new row, whatever the clock did (%d)", (sign) => {
  const path = newPath();
  for (let count = 0; count < 4; count += 1) noteStartFailure(path, failure);
  setAge(path, sign * 2 * startFailuresMs);
  expect(recentStartFailure(path)).toBeUndefined();
  noteStartFailure(path, failure);
  expect(pauseMs(path)).toBe(firstStartPauseMs);
});

test.each(["", "{", "[]", '{"failures":1e9,"message":1}', "\0".repeat(9000)])(
  "of a file that holds %j only the time counts",
  (text) => {
    const path = newPath();
    writeFileSync(path, text);
    expect(recentStartFailure(path)).toMatchObject({ code: "BROKER_START_FAILED" });
    expect(pauseMs(path)).toBe(maxStartPauseMs);
  },
);

test("a database of a newer version keeps no newer program from starting", () => {
  const path = newPath();
  noteStartFailure(path, { code: "STORE_NEWER", message: "Update this one." });
  expect(existsSync(path)).toBe(false);
});

test("a folder that cannot be written is no error", () => {
  const path = join(newPath(), "no", "such", "folder");
  noteStartFailure(path, failure);
  expect(recentStartFailure(path)).toBeUndefined();
});

function newPath(): string {
  return join(temporaryDirectory(), "broker.failed");
}

/** How long it keeps others from a start: the age, in seconds, at which it no longer does. */
function pauseMs(path: string): number {
  // The machine may take longer from one line to the next than ages differ.
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  using _ = { [Symbol.dispose]: () => vi.useRealTimers() };
  for (let ageMs = 500; ; ageMs += 500) {
    setAge(path, ageMs + 50);
    if (recentStartFailure(path) !== undefined) continue;
    setAge(path, 0);
    return ageMs;
  }
}

function setAge(path: string, ageMs: number): void {
  const seconds = (Date.now() - ageMs) / 1000;
  utimesSync(path, seconds, seconds);
}
