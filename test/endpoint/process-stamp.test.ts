import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  isOwnStamp,
  lifeOf,
  noteHolder,
  ownRealm,
  parentOf,
  readHolder,
  readStamp,
  stampProcess,
} from "../../src/endpoint/process-stamp.js";
import { noteStartFailure, recentStartFailure } from "../../src/endpoint/start-turn.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { cannotSeparate, separated } from "../support/pid-namespace.js";
import { temporaryDirectory } from "./temporary-directory.js";

if (cannotSeparate !== undefined) console.warn(`skipped: other realms, because ${cannotSeparate}`);

test("a stamp is of its process alone, and tells when that has ended", async () => {
  expect(isOwnStamp(stampOf(process.pid))).toBe(true);
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const stamp = stampOf(child.pid ?? 0);
  expect(lifeOf(stamp)).toBe("running");
  expect(isOwnStamp(stamp)).toBe(false);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(lifeOf(stamp)).toBe("ended");
});

test.skipIf(ownRealm() === "")("a number that went to another process counts as ended", () => {
  expect(lifeOf({ ...stampOf(process.pid), startTicks: "1" })).toBe("ended");
});

test.skipIf(ownRealm() === "")("of a process of another boot nothing is said", () => {
  const realm = "00000000-0000-4000-8000-000000000000/4026531836";
  expect(lifeOf({ ...stampOf(process.pid), realm })).toBe("elsewhere");
});

test.skipIf(cannotSeparate !== undefined)(
  "of a process of another pid namespace nothing is said, though its number is taken here",
  () => {
    const [command = "", ...args] = separated("sh", "-c", "readlink /proc/self/ns/pid");
    const space = spawnSync(command, args, { encoding: "utf8" }).stdout.replaceAll(/\D/g, "");
    const stamp = stampOf(process.pid);
    const realm = stamp.realm.replace(/\/.*/, `/${space}`);
    expect(realm).not.toBe(stamp.realm);
    expect(lifeOf({ ...stamp, realm })).toBe("elsewhere");
  },
);

test("where the system tells only numbers, a stamp is one", () => {
  expect(readStamp("12\n")).toEqual({ pid: 12, realm: "", startTicks: "" });
});

test.each(["", "0", "-1", "x", "1 2 3", "99999999999", "1 ../x/4 5", `1${" ".repeat(99)}`])(
  "%j is no stamp, or of nothing but a number",
  (line) => {
    expect(readStamp(line)?.realm ?? "").toBe("");
  },
);

test.skipIf(ownRealm() === "")("a process knows its parent", () => {
  expect(parentOf(process.pid)).toBe(process.ppid);
});

function stampOf(pid: number) {
  const stamp = readStamp(stampProcess(pid));
  if (stamp === undefined) throw new Error("the stamp cannot be read");
  return stamp;
}

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
