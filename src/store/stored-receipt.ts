import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConfirmedBy,
  PeerRefSchema,
  type Receipt,
  ReceiptSchema,
  type ReceiptState,
} from "../../gen/peerline/v1/message_pb.js";

/** A receipt as stores keep it: flat, times in milliseconds, null for a rung not reached. */
export interface StoredReceipt {
  readonly seq: number;
  readonly peerId: string;
  readonly peerName: string;
  readonly state: ReceiptState;
  readonly queuedMs: number;
  readonly leasedMs: number | null;
  readonly presentedMs: number | null;
  readonly confirmedMs: number | null;
  readonly answeredMs: number | null;
  readonly endedMs: number | null;
  readonly confirmedBy: ConfirmedBy;
  readonly attempts: number;
  readonly reason: string;
}

export function toReceipt(stored: StoredReceipt): Receipt {
  return create(ReceiptSchema, {
    recipient: create(PeerRefSchema, { peerId: stored.peerId, name: stored.peerName }),
    state: stored.state,
    queuedTime: timestampFromMs(stored.queuedMs),
    leasedTime: time(stored.leasedMs),
    presentedTime: time(stored.presentedMs),
    confirmedTime: time(stored.confirmedMs),
    answeredTime: time(stored.answeredMs),
    endedTime: time(stored.endedMs),
    confirmedBy: stored.confirmedBy,
    attempts: stored.attempts,
    reason: stored.reason,
    seq: BigInt(stored.seq),
  });
}

function time(ms: number | null): Timestamp | undefined {
  return ms === null ? undefined : timestampFromMs(ms);
}
