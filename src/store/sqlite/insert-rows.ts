import type { PeerRow } from "./operations.js";
import type { DeliveryRow, MessageRow } from "./damage/row-checksums.js";
import type { PeerSums } from "./damage/salvaged-row.js";
import type { Statements } from "./statements.js";

export function insertPeer(statements: Statements, row: PeerRow, sums: PeerSums): void {
  statements.insertPeer.run(
    row.peerId,
    row.name,
    row.kind,
    row.profile,
    row.createTimeMs,
    row.lastSeenMs,
    row.secretHash,
    row.baseName,
    row.number,
    row.epoch,
    row.instanceId,
    row.conversations,
    row.revision,
    sums.identity,
    sums.name,
    sums.all,
    row.formerNames,
    row.mutedUntilMs,
  );
}

export function insertMessage(
  statements: Statements,
  id: number,
  row: MessageRow,
  checksum: number,
): void {
  statements.insertMessage.run(
    id,
    row.fromPeerId,
    row.fromName,
    row.messageId,
    row.threadId,
    row.fingerprint,
    row.acceptTimeMs,
    checksum,
    row.body,
  );
}

/** QUEUED, whatever the row says: further than that `writeReceipt` takes it. */
export function insertDelivery(statements: Statements, row: DeliveryRow, checksum: number): void {
  statements.insertDelivery.run(
    row.seq,
    row.id,
    row.peerId,
    row.peerName,
    row.senderPeerId,
    row.sizeBytes,
    row.expireTimeMs,
    row.queuedMs,
    checksum,
  );
}
