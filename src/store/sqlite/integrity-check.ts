import type Database from "libsql";
import { damagedFile } from "./damaged-file.js";
import { maxCheckedBytes } from "./limits.js";

/**
 * Refuses a database whose structure is damaged: a message might be in it that no query finds. The
 * indices hold a second copy of what decides where a message stands, and differ where one was changed.
 * What its rows alone hold is covered by their checksums, as they are read.
 */
export function checkIntegrity(database: Database.Database, path: string): void {
  const [size] = database
    .prepare("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
    .all() as { bytes: number }[];
  if (size !== undefined && size.bytes > maxCheckedBytes) return;
  const [problem] = database.prepare("PRAGMA integrity_check(1)").all() as {
    integrity_check: string;
  }[];
  // Some begin with a heading.
  const words = problem?.integrity_check.trim().split("\n").at(-1) ?? "no answer";
  if (words !== "ok") throw damagedFile(path, words);
}
