import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lookAtLock, takeLock } from "../../src/daemon/lock.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";

test("one holder at a time", () => {
  const path = join(temporaryDirectory(), "lock.db");
  const lock = takeLock(path);
  expect(lock).toBeDefined();
  expect(takeLock(path)).toBeUndefined();
  lock?.[Symbol.dispose]();
  const successor = takeLock(path);
  expect(successor).toBeDefined();
  successor?.[Symbol.dispose]();
});

test("a holder that is killed frees the lock", async () => {
  const path = join(temporaryDirectory(), "lock.db");
  const holder = await startHolder(path);
  expect(takeLock(path)).toBeUndefined();
  holder.kill("SIGKILL");
  await once(holder, "exit");
  const lock = takeLock(path);
  expect(lock).toBeDefined();
  lock?.[Symbol.dispose]();
});

test("looking at a lock tells who has it, and keeps nobody from it", async () => {
  const path = join(temporaryDirectory(), "lock.db");
  expect(lookAtLock(path)).toBe("free");
  const holder = await startHolder(path);
  expect(lookAtLock(path)).toBe("held");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  expect(lookAtLock(path)).toBe("free");
  const lock = takeLock(path);
  expect(lock).toBeDefined();
  lock?.[Symbol.dispose]();
});

test("a path that cannot be locked is an error, not a lock of someone else's", () => {
  expect(() => takeLock(join(temporaryDirectory(), "missing", "lock.db"))).toThrow();
});

// Another process that holds the lock the way the broker does.
async function startHolder(path: string) {
  const program = `
    const Database = require("libsql");
    new Database(process.argv[1]).exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
    console.log("held");
    setInterval(() => {}, 1000);
  `;
  const holder = spawn(process.execPath, ["-e", program, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  return holder;
}
