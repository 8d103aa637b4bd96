import { ConfirmedBy, ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import type { ReceiptChange } from "../broker/store.js";
import type { StoredReceipt } from "./stored-receipt.js";

/**
 * Applies a change to a receipt. QUEUED, LEASED, PRESENTED, CONFIRMED and ANSWERED are climbed in this
 * order; a rung may be skipped (its time then stays unset) and none is gone down. Of the two ends, EXPIRED
 * is reached before the message was presented only, and DEAD_LETTERED while it is open; nothing moves
 * after them. The evidence of the first confirmation stays. A failed attempt counts while the message is open.
 */
export function climb(
  receipt: StoredReceipt,
  change: ReceiptChange,
  nowMs: number,
): { receipt: StoredReceipt; moved: boolean } {
  const counted =
    change.failedAttempt === true && isOpen(receipt.state)
      ? { ...receipt, attempts: receipt.attempts + 1 }
      : receipt;
  if (change.state === undefined || !leadsUp(receipt.state, change.state)) {
    return { receipt: counted, moved: false };
  }
  return { receipt: { ...counted, ...reached(receipt, change.state, change, nowMs) }, moved: true };
}

/** Whether a reader still offers the message. */
export function isOpen(state: ReceiptState): boolean {
  return state <= ReceiptState.PRESENTED;
}

/** Whether the message has not been presented. */
export function isWaiting(state: ReceiptState): boolean {
  return state <= ReceiptState.LEASED;
}

function leadsUp(from: ReceiptState, to: ReceiptState): boolean {
  if (to === ReceiptState.EXPIRED) return isWaiting(from);
  return to === ReceiptState.DEAD_LETTERED ? isOpen(from) : to > from;
}

function reached(
  receipt: StoredReceipt,
  state: ReceiptState,
  change: ReceiptChange,
  nowMs: number,
): Partial<StoredReceipt> {
  const confirmedBy = receipt.confirmedBy || (change.confirmedBy ?? ConfirmedBy.UNSPECIFIED);
  switch (state) {
    case ReceiptState.LEASED:
      return { state, leasedMs: nowMs };
    case ReceiptState.PRESENTED:
      return { state, presentedMs: nowMs };
    case ReceiptState.CONFIRMED:
      return { state, confirmedMs: nowMs, confirmedBy };
    case ReceiptState.ANSWERED:
      return { state, answeredMs: nowMs, confirmedBy };
    case ReceiptState.EXPIRED:
      return { state, endedMs: nowMs };
    case ReceiptState.DEAD_LETTERED:
      return { state, endedMs: nowMs, reason: change.reason ?? "" };
    default:
      return {};
  }
}
