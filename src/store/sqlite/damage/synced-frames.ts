import type { LogFrame } from "./log-frames.js";

/**
 * The frames of a log up to the end of the last transaction that is known to have been synced: what a
 * power cut cannot have torn. Each is synced before the next is written, so that it was if the next
 * frame follows on it; and it counts if it is whole, as it does for SQLite.
 *
 * Behind them is what a power cut left of a transaction, and behind that of those which earlier cuts
 * tore: SQLite goes on where the last whole one ends, under the same salt. None of these is whole or
 * followed, as the frame on which its own first one followed is overwritten.
 */
export function syncedFrames(frames: readonly LogFrame[]): readonly LogFrame[] {
  let count = 0;
  let isWhole = true;
  for (const [index, frame] of frames.entries()) {
    isWhole &&= frame.isIntact;
    if (frame.commitPages === 0) continue;
    if (isWhole || frames[index + 1]?.isIntact === true) count = index + 1;
    isWhole = true;
  }
  return frames.slice(0, count);
}
