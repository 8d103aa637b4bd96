import Database from "libsql";
import { errnoOf } from "../endpoint/errno.js";

/**
 * Claims a home for this process; undefined when another process holds it. Whoever holds the lock is
 * the home's only broker: it alone may remove the socket that a killed one left behind.
 *
 * SQLite holds the lock through the operating system, which frees it however the process ends. The
 * file stays, empty. The process must not open it by other means: to close any handle of a file frees
 * all of the process's locks on it.
 */
export function takeLock(path: string): Disposable | undefined {
  const database = new Database(path);
  try {
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (errnoOf(error) === "SQLITE_BUSY") return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
