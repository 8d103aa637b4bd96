import { crc32 } from "node:zlib";

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
export type CheckedMessage = Omit<MessageRow, "body"> & {
  readonly checksum: number;
  readonly body: ArrayBuffer | null;
};

/** SQLite has no checksum of its own: a flipped bit in a row passes its integrity check. */
export function checksumOf(row: MessageRow): number {
  const { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, body } = row;
  const keys = [fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs];
  return crc32(body, crc32(JSON.stringify(keys)));
}

/** The body of a row that is as it was written; undefined where it is damaged. */
export function intactBody(row: CheckedMessage): Uint8Array | undefined {
  if (row.body === null) return undefined;
  const body = new Uint8Array(row.body);
  return checksumOf({ ...row, body }) === row.checksum ? body : undefined;
}
