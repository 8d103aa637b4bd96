import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownRealm, stampProcess } from "../../../src/endpoint/process-stamp.js";
import { foreignBoxMs } from "../../../src/hosts/limits.js";
import { isLeft, isOwnBox, leaveBox, openBox } from "../../../src/hosts/doorbell/box-folder.js";

describe("the folder of an agent", () => {
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "pl-"));
  });

  afterEach(() => rmSync(home, { recursive: true }));

  function open(session: string | undefined): string | undefined {
    return openBox({ home, session, hostPid: process.pid });
  }

  function folder(name: string, owner: string): string {
    const path = join(home, "doorbells", name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "adapter.pid"), `${owner}\n`);
    return path;
  }

  const folders = (): string[] => readdirSync(join(home, "doorbells")).toSorted();

  test("is taken over by a newer agent of the session, and then left alone by the older", () => {
    const path = open("thread-1") ?? "";
    expect(isOwnBox(path)).toBe(true);
    writeFileSync(join(path, "adapter.pid"), "1\n");
    leaveBox(path);
    expect(readFileSync(join(path, "adapter.pid"), "utf8")).toBe("1\n");
    expect(folders()).toEqual(["thread-1"]);
  });

  test("is removed with its agent, whole, and under no other name", () => {
    const path = open("thread-1") ?? "";
    writeFileSync(join(path, "turn"), "busy\n");
    leaveBox(path);
    leaveBox(path);
    expect(folders()).toEqual([]);
  });

  test("stays for whoever waits in it, in whatever container", () => {
    const path = open("thread-1") ?? "";
    execFileSync("mkfifo", [join(path, "waiter")]);
    const waiter = openSync(join(path, "waiter"), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      leaveBox(path);
      expect(existsSync(join(path, "adapter.pid"))).toBe(false);
      age(path, foreignBoxMs);
      open("thread-2");
      expect(folders()).toEqual(["thread-1", "thread-2"]);
    } finally {
      closeSync(waiter);
    }
    expect(isLeft(path)).toBe(true);
  });

  test.skipIf(ownRealm() === "").each([
    ["another container", ownRealm().replace(/\d+$/, "1")],
    ["another boot", ownRealm().replace(/^\w+/, "00000000")],
  ])("of an agent of %s stays, though no process here has its number", (_where, realm) => {
    const path = folder("thread-1", `999999999 ${realm} 17`);
    open("thread-2");
    expect(folders()).toEqual(["thread-1", "thread-2"]);
    age(path, foreignBoxMs);
    open("thread-2");
    expect(folders()).toEqual(["thread-2"]);
  });

  test.skipIf(ownRealm() === "")("of an agent whose number another process has now goes", () => {
    folder("thread-1", stampProcess().replace(/\d+$/, "1"));
    open("thread-2");
    expect(folders()).toEqual(["thread-2"]);
  });

  test("of a process is one agent's, and marked where another wanted it", () => {
    const path = open(undefined) ?? "";
    expect(open(undefined)).toBeUndefined();
    expect(existsSync(join(path, "shared"))).toBe(true);
    leaveBox(path);
    expect(open(undefined)).toBe(path);
    expect(existsSync(join(path, "shared"))).toBe(false);
  });

  test("is not had for a session whose name is no folder's", () => {
    for (const session of ["../up", ".", "", "a/b", "x".repeat(101)]) {
      expect(open(session)).toBeUndefined();
    }
    expect(existsSync(join(home, "up"))).toBe(false);
  });
});

/** Makes it look as if nothing happened there for long. */
function age(path: string, ms: number): void {
  const then = new Date(Date.now() - ms - 1000);
  utimesSync(path, then, then);
}
