import { crc32 } from "node:zlib";
import { StoreError } from "../broker/store.js";

/**
 * A cursor of history: the position of the last message seen, in the order of acceptance, and a checksum.
 * By the checksum a cursor of another kind is refused.
 */
export function formatCursor(position: number): string {
  return `${position.toString(36)}-${checksum(position)}`;
}

/** The position of the last message seen. An empty cursor is behind every message. */
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
