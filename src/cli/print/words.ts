import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { ConfirmedBy, ReceiptState, type Receipt } from "../../../gen/peerline/v1/message_pb.js";
import { Reach } from "../../../gen/peerline/v1/peer_pb.js";
import { peerLine } from "../../contract/peer-text.js";

/** Where a message stands for one recipient, and since when: `confirmed 12:03:09 (it went on)`. */
export function receiptPhrase(receipt: Receipt, nowMs: number): string {
  const time = stateTime(receipt);
  const words = [stateLabel(receipt.state)];
  if (time !== undefined) words.push(clockTime(timestampMs(time), nowMs));
  const evidence = evidenceLabels[receipt.confirmedBy];
  if (receipt.state === ReceiptState.CONFIRMED && evidence !== undefined)
    words.push(`(${evidence})`);
  if (receipt.attempts > 0) words.push(`after ${count(receipt.attempts, "failed attempt")}`);
  if (receipt.reason !== "") words.push(`because ${peerLine(receipt.reason)}`);
  return words.join(" ");
}

/** How far a message has got, in plain words. */
export function stateLabel(state: ReceiptState): string {
  return stateLabels[state] ?? "of unknown state";
}

const stateLabels: Partial<Record<ReceiptState, string>> = {
  [ReceiptState.QUEUED]: "queued",
  [ReceiptState.LEASED]: "handed over",
  [ReceiptState.PRESENTED]: "presented",
  [ReceiptState.CONFIRMED]: "confirmed",
  [ReceiptState.ANSWERED]: "answered",
  [ReceiptState.EXPIRED]: "expired",
  [ReceiptState.DEAD_LETTERED]: "given up",
};

/** What shows that a message was taken in, in plain words. */
export const evidenceLabels: Partial<Record<ConfirmedBy, string>> = {
  [ConfirmedBy.NEXT_CALL]: "it went on",
  [ConfirmedBy.HOOK]: "it went on, says its hook",
  [ConfirmedBy.EXPLICIT_ACK]: "it said so",
  [ConfirmedBy.REPLY]: "it replied",
};

/** `1 message`, `2 messages`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function stateTime(receipt: Receipt): Timestamp | undefined {
  switch (receipt.state) {
    case ReceiptState.UNSPECIFIED:
      return undefined;
    case ReceiptState.QUEUED:
      return receipt.queuedTime;
    case ReceiptState.LEASED:
      return receipt.leasedTime;
    case ReceiptState.PRESENTED:
      return receipt.presentedTime;
    case ReceiptState.CONFIRMED:
      return receipt.confirmedTime;
    case ReceiptState.ANSWERED:
      return receipt.answeredTime;
    case ReceiptState.EXPIRED:
    case ReceiptState.DEAD_LETTERED:
      return receipt.endedTime;
  }
}

/** How a message sent now reaches a peer, as a clause: what a value unknown here means is "stored". */
export function reachClause(reach: Reach): string {
  if (reach === Reach.WAKES) return "woken now";
  return reach === Reach.NEXT_TURN ? "seen at its next turn" : "stored until it asks for its mail";
}

/** A moment on the local clock: `12:03:05`, with the date in front of it on any other day than today. */
export function clockTime(timeMs: number, nowMs: number): string {
  const moment = new Date(timeMs);
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
  return moment.toDateString() === new Date(nowMs).toDateString()
    ? time
    : `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** How long ago a moment was, in one unit: `now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function relativeTime(timeMs: number, nowMs: number): string {
  const agoMs = nowMs - timeMs;
  return agoMs < 1000 ? "now" : `${span(agoMs)} ago`;
}

/** A span in its largest whole unit: `12 s`, `3 min`, `2 h`, `5 d`. */
export function span(ms: number): string {
  const [unitMs, unit] = units.find(([unitMs]) => ms >= unitMs) ?? smallest;
  return `${Math.floor(ms / unitMs)} ${unit}`;
}

const smallest = [1000, "s"] as const;
const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], smallest] as const;
