import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Message,
  type MessageRecord,
  MessageRecordSchema,
  MessageSchema,
  type PeerRef,
} from "../../../gen/peerline/v1/message_pb.js";
import type { Draft } from "../../broker/store.js";

import { stamp, type StoredReceipt, toReceipt } from "../stored-message.js";

/** One message with its deliveries. */
export interface Entry {
  /** Its place in the order of acceptance. */
  readonly position: number;
  readonly from: PeerRef;
  readonly message: Message;
  readonly fingerprint: string;
  readonly acceptMs: number;
  readonly expireMs: number;
  readonly sizeBytes: number;
  /** By recipient, in the order they were stored. */
  readonly deliveries: Map<string, Delivery>;
}

/** One message for one recipient. */
export interface Delivery {
  readonly entry: Entry;
  receipt: StoredReceipt;
  /** It came back from the dead letters, so that it may have been handed out before. */
  isRedriven: boolean;
}

export function newEntry(draft: Draft, position: number, nowMs: number): Entry {
  const message = stamp(draft, nowMs);
  return {
    position,
    from: draft.from,
    message,
    fingerprint: draft.fingerprint,
    acceptMs: nowMs,
    expireMs: nowMs + draft.expiresInMs,
    sizeBytes: toBinary(MessageSchema, message).byteLength,
    deliveries: new Map(),
  };
}

/** Whether the peer sent or received the message. */
export function isParticipant(entry: Entry, peerId: string): boolean {
  return entry.from.peerId === peerId || entry.deliveries.has(peerId);
}

export function toRecord(entry: Entry): MessageRecord {
  const receipts = [...entry.deliveries.values()].map(({ receipt }) => toReceipt(receipt));
  return create(MessageRecordSchema, { message: entry.message, receipts });
}
