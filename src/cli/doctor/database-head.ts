import { openRegularFile, type RegularFile } from "../../endpoint/regular-file.js";
import { maxLogFrames } from "./limits.js";

/**
 * What keeps a broker from opening a database as it is; undefined where nothing does that can be seen in
 * its first page. That page is read as SQLite reads it: from the write-ahead log, and below that from the
 * file. It is not opened as a database: that would write.
 */
export function faultOf(path: string): string | undefined {
  using file = openRegularFile(path);
  using log = openRegularFile(`${path}-wal`);
  const hasLog = log !== undefined && log.stats.size > logHeaderBytes;
  if (file === undefined || file.stats.size === 0) {
    return hasLog ? "it is gone or empty, and its write-ahead log is not" : undefined;
  }
  const logged = hasLog ? pageOneInLog(log) : undefined;
  if (logged === "unknown") return undefined;
  const head = logged ?? file.read(0, headBytes);
  return (
    faultOfHead(head) ?? (!hasLog && isCut(head, file.stats.size) ? "it is cut short" : undefined)
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
 * The head of the newest first page in a log; undefined where the log has none, unknown where it is too
 * long to be looked through. Frames of another salt were left by an earlier use of the file. Checksums are
 * the broker's to judge.
 */
function pageOneInLog(log: RegularFile): Buffer | "unknown" | undefined {
  const header = log.read(0, logHeaderBytes);
  const frameBytes = frameHeaderBytes + header.readUInt32BE(8);
  const frames = Math.floor((log.stats.size - logHeaderBytes) / frameBytes);
  if (frames > maxLogFrames) return "unknown";
  let found: Buffer | undefined;
  for (let frame = 0; frame < frames; frame += 1) {
    const start = logHeaderBytes + frame * frameBytes;
    const bytes = log.read(start, frameHeaderBytes + headBytes);
    const isOfThisUse = bytes.subarray(8, 16).equals(header.subarray(16, 24));
    if (isOfThisUse && bytes.readUInt32BE(0) === 1) found = bytes.subarray(frameHeaderBytes);
  }
  return found;
}

/** The file's header, and of its root page what says how many cells it has. */
const headBytes = 108;
const logHeaderBytes = 32;
const frameHeaderBytes = 24;
const magic = Buffer.from("SQLite format 3\0");
const applicationId = Buffer.from("Peer");
