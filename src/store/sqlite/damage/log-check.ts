import { damagedFile } from "./damaged-file.js";
import { readLog } from "./log-frames.js";
import { syncedFrames } from "./synced-frames.js";

/**
 * Refuses a write-ahead log of which SQLite would drop more than a power cut explains. To SQLite the
 * first frame that is not intact is the end, whatever follows. Where a transaction that had been synced
 * is behind that end, the log is damaged.
 */
export function checkLog(databasePath: string): void {
  const log = readLog(databasePath);
  if (log === undefined) return;
  const path = `${databasePath}-wal`;
  if (!log.hasIntactHeader) throw damagedFile(path, "its header cannot be read");
  const lost = syncedFrames(log.frames).filter((frame) => !frame.isRead && frame.commitPages > 0);
  if (lost.length > 0) {
    throw damagedFile(path, `${lost.length} of its transactions cannot be read`);
  }
}
