import { damagedFile } from "./damaged-file.js";
import { readLog } from "./log-frames.js";

/**
 * Refuses a write-ahead log of which SQLite would drop more than a power cut explains. To SQLite the
 * first frame that is not intact is the end, whatever follows. Each transaction was synced before the
 * next one was written, so that only the last may be torn: where two or more commits follow, what had
 * been synced is damaged.
 */
export function checkLog(databasePath: string): void {
  const log = readLog(databasePath);
  if (log === undefined) return;
  const path = `${databasePath}-wal`;
  if (!log.hasIntactHeader) throw damagedFile(path, "its header cannot be read");
  const lost = log.frames.filter(({ isRead, commitPages }) => !isRead && commitPages > 0);
  if (lost.length > 1) {
    throw damagedFile(path, `its last ${lost.length} transactions cannot be read`);
  }
}
