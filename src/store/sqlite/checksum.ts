import { crc32 } from "node:zlib";
import { maxKnownDamaged } from "./limits.js";

/** What a message's row holds: its keys and its body. */
export interface MessageRow {
  readonly fromPeerId: string;
  readonly fromName: string;
  readonly messageId: string;
  readonly threadId: string;
  readonly fingerprint: string;
  readonly acceptTimeMs: number;
  /** The encoded message. */
  readonly body: Uint8Array;
}

/** The same as it is read back. libsql gives blobs as ArrayBuffer; null stands for a row that is gone. */
export interface CheckedMessage extends Omit<MessageRow, "body"> {
  readonly id: number;
  readonly checksum: number;
  readonly body: ArrayBuffer | null;
}

/** SQLite has no checksum of its own: a flipped bit in a row passes its integrity check. */
export function checksumOf(row: MessageRow): number {
  const { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, body } = row;
  const keys = [fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs];
  return crc32(body, crc32(JSON.stringify(keys)));
}

/** Reads messages only as they were written, and remembers which were not. */
export class MessageCheck {
  readonly #damagedIds = new Set<number>();

  /** Messages found damaged so far, up to `maxKnownDamaged`. */
  get damagedMessages(): number {
    return this.#damagedIds.size;
  }

  /** The body of a row that is as it was written; undefined where it is damaged. */
  intactBody(row: CheckedMessage): Uint8Array | undefined {
    const body = row.body === null ? undefined : new Uint8Array(row.body);
    if (body !== undefined && checksumOf({ ...row, body }) === row.checksum) return body;
    if (this.#damagedIds.size < maxKnownDamaged) this.#damagedIds.add(row.id);
    return undefined;
  }
}
