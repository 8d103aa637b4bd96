import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isOwnBox, leaveBox, openBox } from "../../../src/hosts/doorbell/box-folder.js";

describe("the folder of an agent", () => {
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "pl-"));
  });

  afterEach(() => rmSync(home, { recursive: true }));

  function open(session: string | undefined): string | undefined {
    return openBox({ home, session, hostPid: process.pid });
  }

  const folders = (): string[] => readdirSync(join(home, "doorbells"));

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

  test("stays for whoever waits in it", async () => {
    const path = open("thread-1") ?? "";
    const waiter = spawn("sleep", ["60"]);
    await once(waiter, "spawn");
    try {
      writeFileSync(join(path, "waiter.pid"), `${waiter.pid}\n`);
      leaveBox(path);
      expect(existsSync(join(path, "adapter.pid"))).toBe(false);
      expect(folders()).toEqual(["thread-1"]);
    } finally {
      waiter.kill();
      await once(waiter, "exit");
    }
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
