import { crc32 } from "node:zlib";
import type { StoredReceipt } from "../../stored-receipt.js";
import type { PeerRow } from "../operations.js";

/*
 * SQLite has no checksum of its own: a flipped bit in a row passes its integrity check. Each row has one
 * over all that it holds and the key it is found by, so that a row under another's key is none, either.
 */

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

/** What a delivery's row holds: its message's id, its receipt, and what the queue needs to know. */
export interface DeliveryRow extends StoredReceipt {
  readonly id: number;
  readonly senderPeerId: string;
  readonly sizeBytes: number;
  readonly expireTimeMs: number;
  /** 1: it came back from the dead letters. */
  readonly redriven: number;
}

/** Of a row whose checksum was never known: fits none. */
export const noChecksum = -1;

export function messageChecksum(id: number, row: MessageRow): number {
  return add(row.body, sum([id, ...messageKeys(row)]));
}

/** As the first version of the schema had it: without the row's own key. */
export function firstMessageChecksum(row: MessageRow): number {
  return add(row.body, sum(messageKeys(row)));
}

export function deliveryChecksum(row: DeliveryRow): number {
  const { seq, id, peerId, peerName, senderPeerId, sizeBytes, expireTimeMs, redriven } = row;
  const { state, queuedMs, leasedMs, presentedMs, confirmedMs, answeredMs, endedMs } = row;
  const { confirmedBy, attempts, reason } = row;
  return sum([
    [seq, id, peerId, peerName, senderPeerId, sizeBytes, expireTimeMs, redriven],
    [state, queuedMs, leasedMs, presentedMs, confirmedMs, answeredMs, endedMs],
    [confirmedBy, attempts, reason],
  ]);
}

export function peerChecksum(row: PeerRow): number {
  const { peerId, name, kind, createTimeMs, lastSeenMs, secretHash, baseName, number } = row;
  const { epoch, instanceId, conversations, revision, profile, formerNames, mutedUntilMs } = row;
  const columns = [peerId, name, kind, createTimeMs, lastSeenMs, secretHash, baseName, number];
  // Where a later version added nothing, the checksum is that of the version before.
  const isPlain = formerNames === "[]" && mutedUntilMs === 0;
  const later = isPlain ? [] : [formerNames, mutedUntilMs];
  return add(profile, sum([...columns, epoch, instanceId, conversations, revision, ...later]));
}

/** Of what makes a peer who it is, whatever becomes of what it says of itself. */
export function identityChecksum({ peerId, secretHash }: PeerRow): number {
  return sum([peerId, secretHash]);
}

/** Of what a peer is found by. */
export function nameChecksum(row: PeerRow): number {
  const { peerId, secretHash, kind, name, baseName, number, conversations } = row;
  return sum([peerId, secretHash, kind, name, baseName, number, conversations]);
}

function messageKeys(row: MessageRow): unknown[] {
  const { fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs } = row;
  return [fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs];
}

function sum(columns: readonly unknown[]): number {
  return crc32(JSON.stringify(columns));
}

/** Some arrays without bytes begin nowhere, at which zlib forgets the sum so far. */
function add(bytes: Uint8Array, before: number): number {
  return bytes.byteLength === 0 ? before : crc32(bytes, before);
}
