import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ConfirmedBy,
  PeerRefSchema,
  type Receipt,
  ReceiptSchema,
  ReceiptState,
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

/** The receipt at the foot of the ladder: of a new delivery, or of a dead letter that is redriven. */
export function queuedReceipt(
  of: Pick<StoredReceipt, "seq" | "peerId" | "peerName" | "queuedMs">,
): StoredReceipt {
  return {
    seq: of.seq,
    peerId: of.peerId,
    peerName: of.peerName,
    state: ReceiptState.QUEUED,
    queuedMs: of.queuedMs,
    leasedMs: null,
    presentedMs: null,
    confirmedMs: null,
    answeredMs: null,
    endedMs: null,
    confirmedBy: ConfirmedBy.UNSPECIFIED,
    attempts: 0,
    reason: "",
  };
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
