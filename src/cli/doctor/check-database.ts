import { existsSync } from "node:fs";
import { join } from "node:path";
import { openRegularFile, type RegularFile } from "../../endpoint/regular-file.js";
import { advise, asidePath, commandLine } from "./advice.js";
import { lastStart } from "./check-broker-log.js";
import { lockHolder } from "./check-lock.js";
import { isAtRest, type Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { maxLogFrames } from "../limits.js";

/**
 * Where no broker can be asked, the head of the database says whether one could open it as it is. A broker
 * salvages what can be read of a damaged one; only where it has refused to is there anything to set aside.
 */
export async function checkDatabase(evidence: Evidence): Promise<Finding[]> {
  if (!isAtRest(evidence)) return [];
  const { home, self } = evidence;
  const path = join(home.path, "peerline.db");
  const fault = faultOf(path);
  // A broker that took the home meanwhile is writing these files.
  if (fault === undefined || (await lockHolder(home.path)) !== undefined) return [];
  const finding = { id: "store-damaged", severity: "problem", subject: path } as const;
  if (lastStart(home.path)?.isStoreLost === true) {
    const seen = `${fault}, and the last broker could read nothing of it`;
    return [{ ...finding, seen, ...setAside(path) }];
  }
  const fix = `Leave its files where they are: the next agent starts a broker, which keeps them and salvages what can be read; ${self} broker shows it`;
  return [{ ...finding, seen: fault, fix }];
}

/** The WAL first: a broker that starts meanwhile makes a new database, to which an old WAL must not belong. */
function setAside(path: string) {
  const files = ["-wal", "-shm", "-journal", ""]
    .map((suffix) => path + suffix)
    .filter((file) => existsSync(file));
  const folder = asidePath(path);
  return advise(
    [commandLine("mkdir", "-m", "700", folder), commandLine("mv", ...files, `${folder}/`)],
    "then the next broker begins anew; with a backup in its place instead, it goes on with that",
  );
}

/**
 * What keeps a broker from opening a database as it is, as far as its first page shows; undefined for
 * nothing. That page is read as SQLite reads it: from the WAL, and below that from the file.
 * It is not opened as a database: that would write.
 */
export function faultOf(path: string): string | undefined {
  using file = openRegularFile(path);
  using wal = openRegularFile(`${path}-wal`);
  const hasWal = wal !== undefined && wal.stats.size > walHeaderBytes;
  if (file === undefined || file.stats.size === 0) {
    return hasWal ? "it is gone or empty, and its WAL is not" : undefined;
  }
  const logged = hasWal ? pageOneInWal(wal) : undefined;
  if (logged === "unknown") return undefined;
  const head = logged ?? file.read(0, headBytes);
  return (
    faultOfHead(head) ?? (!hasWal && isCut(head, file.stats.size) ? "it is cut short" : undefined)
  );
}

/** SQLite's file format, sections 1.3 and 1.6: magic string, application id, cells of the root page. */
function faultOfHead(head: Buffer): string | undefined {
  if (head.length < headBytes) return "it is cut short";
  if (!head.subarray(0, magic.length).equals(magic)) return "it is no SQLite database";
  const isOurs = head.subarray(68, 72).equals(applicationId);
  // One that a broker has just begun to make has no table, and nobody's mark yet.
  const hasTables = head.readUInt16BE(103) > 0;
  return isOurs || !hasTables ? undefined : "it is no database of Peerline's";
}

function isCut(head: Buffer, bytes: number): boolean {
  const pageBytes = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
  return bytes < pageBytes * head.readUInt32BE(28);
}

/**
 * The head of the newest first page in a WAL; undefined where the WAL has none, unknown where it is too
 * long to be looked through. Frames of another salt were left by an earlier use of the file. Checksums are
 * the broker's to judge.
 */
function pageOneInWal(wal: RegularFile): Buffer | "unknown" | undefined {
  const header = wal.read(0, walHeaderBytes);
  const frameBytes = frameHeaderBytes + header.readUInt32BE(8);
  const frames = Math.floor((wal.stats.size - walHeaderBytes) / frameBytes);
  if (frames > maxLogFrames) return "unknown";
  let found: Buffer | undefined;
  for (let frame = 0; frame < frames; frame += 1) {
    const start = walHeaderBytes + frame * frameBytes;
    const bytes = wal.read(start, frameHeaderBytes + headBytes);
    const isOfThisUse = bytes.subarray(8, 16).equals(header.subarray(16, 24));
    if (isOfThisUse && bytes.readUInt32BE(0) === 1) found = bytes.subarray(frameHeaderBytes);
  }
  return found;
}

/** The file's header, and the number of cells of its root page. */
const headBytes = 108;
const walHeaderBytes = 32;
const frameHeaderBytes = 24;
const magic = Buffer.from("SQLite format 3\0");
const applicationId = Buffer.from("Peer");
