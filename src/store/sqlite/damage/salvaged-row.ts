import type { RawRow, RawValue } from "./leaf-rows.js";
import type { PeerRow } from "../operations.js";
import {
  deliveryChecksum,
  type DeliveryRow,
  firstMessageChecksum,
  identityChecksum,
  messageChecksum,
  type MessageRow,
  nameChecksum,
  noChecksum,
  peerChecksum,
} from "./row-checksums.js";

/** A row as it was found on a page. A damaged one is given with what its checksums still say of it. */
export type SalvagedRow = {
  /** No checksum says otherwise. */
  readonly isIntact: boolean;
  /** A checksum says so. */
  readonly isProven: boolean;
} & (
  | { readonly kind: "peer"; readonly row: PeerRow; readonly sums: PeerSums }
  | { readonly kind: "message"; readonly id: number; readonly row: MessageRow }
  | { readonly kind: "delivery"; readonly row: DeliveryRow }
  | { readonly kind: "sequence"; readonly table: string; readonly last: number }
);

export interface PeerSums {
  readonly identity: number;
  readonly name: number;
  readonly all: number;
}

/**
 * Which table a row is of, told by the number of its columns; undefined where it is of none that is
 * salvaged. Those of the first version of the schema had fewer, and a checksum for messages alone. The
 * first column of a delivery is its row's number, which is not stored in the row.
 */
export function recognise({ rowid, values }: RawRow): SalvagedRow | undefined {
  switch (values.length) {
    case 2:
      return toSequence(values);
    case 9:
      return toMessage(rowid, values);
    case 13:
    case 16:
      return toPeer(values);
    case 18:
      return values[0] === null ? toDelivery(rowid, values) : toPeer(values);
    case 19:
      return toDelivery(rowid, values);
    default:
      return undefined;
  }
}

function toSequence([table, last]: readonly RawValue[]): SalvagedRow {
  const row = { table: text(table), last: integer(last) };
  return { kind: "sequence", ...row, isIntact: true, isProven: false };
}

function toMessage(id: number, values: readonly RawValue[]): SalvagedRow {
  const [, fromPeerId, fromName, messageId, threadId, fingerprint, acceptTimeMs, checksum] = values;
  const row = {
    fromPeerId: text(fromPeerId),
    fromName: text(fromName),
    messageId: text(messageId),
    threadId: text(threadId),
    fingerprint: text(fingerprint),
    acceptTimeMs: integer(acceptTimeMs),
    body: bytes(values[8]),
  };
  const isIntact = messageChecksum(id, row) === checksum || firstMessageChecksum(row) === checksum;
  return { kind: "message", id, row, isIntact, isProven: isIntact };
}

function toPeer(values: readonly RawValue[]): SalvagedRow {
  const [peerId, name, secretHash, kind, profile, createTimeMs, lastSeenMs, ...rest] = values;
  const [baseName, number, epoch, instanceId, conversations, revision, ...more] = rest;
  const [identitySum, nameSum, allSum, formerNames, mutedUntilMs] = more;
  const row = {
    peerId: text(peerId),
    name: text(name),
    secretHash: text(secretHash),
    kind: integer(kind),
    profile: bytes(profile),
    createTimeMs: integer(createTimeMs),
    lastSeenMs: integer(lastSeenMs),
    baseName: text(baseName),
    number: integer(number),
    epoch: integer(epoch),
    instanceId: text(instanceId),
    conversations: text(conversations),
    revision: integer(revision),
    formerNames: formerNames === undefined ? "[]" : text(formerNames),
    mutedUntilMs: mutedUntilMs === undefined ? 0 : integer(mutedUntilMs),
  };
  const computed = {
    identity: identityChecksum(row),
    name: nameChecksum(row),
    all: peerChecksum(row),
  };
  const stored = {
    identity: integer(identitySum),
    name: integer(nameSum),
    all: integer(allSum),
  };
  const isProven = stored.all === computed.all;
  const isIntact = isProven || allSum === undefined;
  return { kind: "peer", row, sums: isIntact ? computed : stored, isIntact, isProven };
}

function toDelivery(seq: number, values: readonly RawValue[]): SalvagedRow {
  const [, id, peerId, peerName, senderPeerId, sizeBytes, expireTimeMs, redriven, ...rest] = values;
  const [state, queuedMs, leasedMs, presentedMs, confirmedMs, answeredMs, endedMs, ...last] = rest;
  const [confirmedBy, attempts, reason, checksum] = last;
  const row = {
    seq,
    id: integer(id),
    peerId: text(peerId),
    peerName: text(peerName),
    senderPeerId: text(senderPeerId),
    sizeBytes: integer(sizeBytes),
    expireTimeMs: integer(expireTimeMs),
    redriven: integer(redriven),
    state: integer(state),
    queuedMs: integer(queuedMs),
    leasedMs: integerOrNull(leasedMs),
    presentedMs: integerOrNull(presentedMs),
    confirmedMs: integerOrNull(confirmedMs),
    answeredMs: integerOrNull(answeredMs),
    endedMs: integerOrNull(endedMs),
    confirmedBy: integer(confirmedBy),
    attempts: integer(attempts),
    reason: text(reason),
  };
  const isProven = deliveryChecksum(row) === checksum;
  return { kind: "delivery", row, isIntact: isProven || checksum === undefined, isProven };
}

/** A text that is no UTF-8 becomes one that no checksum fits. */
function text(value: RawValue | undefined): string {
  return value instanceof Buffer ? value.toString() : "";
}

function bytes(value: RawValue | undefined): Uint8Array {
  return value instanceof Buffer ? value : new Uint8Array(0);
}

function integer(value: RawValue | undefined): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : noChecksum;
}

function integerOrNull(value: RawValue | undefined): number | null {
  return value === null ? null : integer(value);
}
