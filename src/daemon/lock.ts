import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import Database from "libsql";
import { EndpointError, errnoOf } from "../endpoint/endpoint-error.js";
import { fileSystemOf } from "../endpoint/file-system.js";
import type { LockState } from "../endpoint/process-stamp.js";
import { lockAttempts, lockPauseMs } from "./limits.js";

/**
 * Claims a home for this process; undefined when another process holds it. Whoever holds the lock is
 * the home's only broker: it alone may remove the socket that a killed one left behind.
 *
 * SQLite holds the lock through the operating system, which frees it however the process ends. The
 * file stays, empty. The process must not open it by other means: to close any handle of a file frees
 * all of the process's locks on it.
 *
 * LOCKS_REFUSED where the file system has no locks to give. There is no other way that is safe: a file
 * that says who is alone outlives its process, and the database needs the same locks.
 */
export function takeLock(path: string): Disposable | undefined {
  const taken = tryLockPatiently(path);
  if (taken === "refused" || (taken === "held" && areLocksRefused(path))) {
    throw locksRefused(dirname(path));
  }
  return taken === "held" ? undefined : taken;
}

/**
 * Whether locks are refused beside this path. For a lock that NFS refuses (ENOLCK), SQLite says the
 * same as for one that another process holds. So this tries to lock a new file, which nobody else can
 * hold.
 */
export function areLocksRefused(path: string): boolean {
  const probePath = `${path}.${randomUUID()}.probe`;
  try {
    const probe = tryLock(probePath);
    if (typeof probe !== "string") probe[Symbol.dispose]();
    return typeof probe === "string";
  } catch {
    // There is no room for the probe: that tells nothing of locks.
    return false;
  } finally {
    rmSync(probePath, { force: true });
  }
}

/** The lock as it is found. To look takes nothing from anyone, and makes no file that stays. */
export function lookAtLock(path: string): LockState {
  if (!existsSync(path)) return areLocksRefused(path) ? "refused" : "free";
  const database = new Database(path);
  try {
    database.prepare("SELECT 1 FROM sqlite_schema").all();
    return "free";
  } catch (error) {
    const code = errnoOf(error) ?? "";
    if (code === "SQLITE_BUSY") return areLocksRefused(path) ? "refused" : "held";
    return isRefusal(code) ? "refused" : "free";
  } finally {
    database.close();
  }
}

/** Whoever only looks at the lock has it for a moment: see lookAtLock. */
function tryLockPatiently(path: string): ReturnType<typeof tryLock> {
  for (let attempt = 1; ; attempt += 1) {
    const taken = tryLock(path);
    if (taken !== "held" || attempt === lockAttempts) return taken;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPauseMs);
  }
}

function tryLock(path: string): Disposable | "held" | "refused" {
  const database = new Database(path);
  try {
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    const code = errnoOf(error) ?? "";
    if (code === "SQLITE_BUSY") return "held";
    if (isRefusal(code)) return "refused";
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** What SQLite says of another error than ENOLCK: SQLITE_IOERR_LOCK and the like. */
function isRefusal(code: string): boolean {
  return /^SQLITE_IOERR_.*LOCK$/.test(code);
}

function locksRefused(home: string): EndpointError {
  const name = fileSystemOf(home);
  return new EndpointError(
    "LOCKS_REFUSED",
    `The file system of ${home}${name === "" ? "" : ` (${name})`} refuses locks, without which no broker knows that it is alone. ` +
      "Set PEERLINE_HOME to a directory on a local disk, the same for all agents.",
  );
}
