import { statSync } from "node:fs";
import { join } from "node:path";
import { openRegularFile } from "../../endpoint/regular-file.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { commandLine } from "./quoted.js";

/**
 * Where no broker can be asked, the head of the database's file says whether one could open it. It is
 * not opened as a database: that would write.
 */
export function checkDatabase({ home, broker }: Evidence): Finding[] {
  if (home.state !== "usable" || !["absent", "left"].includes(broker.state)) return [];
  const path = join(home.path, "peerline.db");
  const fault = faultOf(path);
  if (fault === undefined) return [];
  const away = commandLine("mv", path, `${path}.damaged`);
  const mend = `Put back a backup of it; or, to go on without what it holds: ${away}`;
  return [{ id: "store-damaged", severity: "problem", subject: path, seen: fault, mend }];
}

/** SQLite's file format, section 1.3: magic string, page size, size in pages, application id. */
function faultOf(path: string): string | undefined {
  using file = openRegularFile(path);
  if (file === undefined || file.stats.size === 0) return undefined;
  const head = file.read(0, headBytes);
  if (head.length < headBytes) return "it is cut short";
  if (!head.subarray(0, magic.length).equals(magic)) return "it is no SQLite database";
  if (!head.subarray(68, 72).equals(applicationId)) return "it is no database of Peerline's";
  const pageBytes = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
  const isCut = file.stats.size < pageBytes * head.readUInt32BE(28);
  return isCut && !hasLog(path) ? "it is cut short" : undefined;
}

const headBytes = 100;
const magic = Buffer.from("SQLite format 3\0");
const applicationId = Buffer.from("Peer");

/** The write-ahead log may hold what the file does not yet. */
function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
