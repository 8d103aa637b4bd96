import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type MessageRecord,
  MessageRecordSchema,
  MessageSchema,
  PeerRefSchema,
} from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import {
  type AdvancedReceipt,
  type EnqueueResult,
  type QueuedMessage,
  type StoredPeer,
  StoreError,
} from "../../broker/store.js";
import { toReceipt } from "../receipt.js";
import type { AdvancedRow, EnqueueOutcome, PeerRow, RecordRow, TakenRow } from "./operations.js";

/* Between the contract's types and those that cross the thread boundary. */

export function toPeerRow(peer: StoredPeer): PeerRow {
  const profile = toBinary(ProfileSchema, peer.profile);
  const conversations = JSON.stringify(peer.conversations);
  return { ...peer, profile, conversations, formerNames: JSON.stringify(peer.formerNames) };
}

export function fromPeerRow(row: PeerRow): StoredPeer {
  const conversations = JSON.parse(row.conversations) as StoredPeer["conversations"];
  const formerNames = JSON.parse(row.formerNames) as StoredPeer["formerNames"];
  return { ...row, profile: fromBinary(ProfileSchema, row.profile), conversations, formerNames };
}

export function toEnqueueResult(outcome: EnqueueOutcome, body: Uint8Array): EnqueueResult {
  if (!outcome.ok) {
    const { code, message, bound } = outcome;
    return { ok: false, error: new StoreError(code, message, { bound }) };
  }
  return {
    ok: true,
    duplicate: outcome.duplicate,
    message: fromBinary(MessageSchema, outcome.earlierBody ?? body),
    receipt: toReceipt(outcome.receipt),
  };
}

export function toAdvanced({ fromPeerId, fromName, ...row }: AdvancedRow): AdvancedReceipt {
  return {
    from: create(PeerRefSchema, { peerId: fromPeerId, name: fromName }),
    messageId: row.messageId,
    receipt: toReceipt(row.receipt),
    moved: row.moved,
  };
}

export function toRecord({ body, receipts }: RecordRow): MessageRecord {
  return create(MessageRecordSchema, {
    message: fromBinary(MessageSchema, body),
    receipts: receipts.map(toReceipt),
  });
}

export function toQueued({ body, receipt, redelivered }: TakenRow): QueuedMessage {
  return {
    message: fromBinary(MessageSchema, body),
    receipt: toReceipt(receipt),
    sizeBytes: body.byteLength,
    redelivered,
  };
}
