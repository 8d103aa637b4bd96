import { crc32 } from "node:zlib";
import { StoreError } from "../broker/store.js";

/**
 * Cursors of history: the position (in order of acceptance) of the last message seen, and a checksum,
 * so that a cursor of another kind is refused and not taken for a position.
 */
export function formatCursor(position: number): string {
  return `${position.toString(36)}-${checksum(position)}`;
}

/** The position of the last message seen; beyond every message for the empty cursor. */
export function parseCursor(cursor: string): number {
  if (cursor === "") return Number.MAX_SAFE_INTEGER;
  const position = Number.parseInt(cursor, 36);
  if (!Number.isSafeInteger(position) || formatCursor(position) !== cursor) {
    throw new StoreError("INVALID_CURSOR", "The cursor is not one that this store gave out.");
  }
  return position;
}

function checksum(position: number): string {
  return crc32(`history ${position}`).toString(36);
}
