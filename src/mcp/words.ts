import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { ConfirmedBy, ReceiptState, Urgency } from "../../gen/peerline/v1/message_pb.js";
import { PeerKind, Reach } from "../../gen/peerline/v1/peer_pb.js";

/** The word for a receipt's state, for example `presented`. */
export function stateWord(state: ReceiptState): string | undefined {
  return state === ReceiptState.UNSPECIFIED ? undefined : ReceiptState[state]?.toLowerCase();
}

/** How a message sent now reaches a peer. What this version does not know counts as stored. */
export function reachWord(reach: Reach): "wakes" | "next_turn" | "stored" {
  if (reach === Reach.WAKES) return "wakes";
  return reach === Reach.NEXT_TURN ? "next_turn" : "stored";
}

/** The evidence behind a confirmation, for example `next_call`. */
export function evidenceWord(confirmedBy: ConfirmedBy): string | undefined {
  return confirmedBy === ConfirmedBy.UNSPECIFIED
    ? undefined
    : ConfirmedBy[confirmedBy]?.toLowerCase();
}

/** The word for an urgency; undefined for the normal one, which goes without saying. */
export function urgencyWord(urgency: Urgency): "fyi" | "interrupt" | undefined {
  if (urgency === Urgency.FYI) return "fyi";
  return urgency === Urgency.INTERRUPT ? "interrupt" : undefined;
}

export function readUrgency(word: "fyi" | "normal" | "interrupt" | undefined): Urgency {
  if (word === "fyi") return Urgency.FYI;
  return word === "interrupt" ? Urgency.INTERRUPT : Urgency.NORMAL;
}

/** The word for a kind of peer; undefined for agents, which most are. */
export function kindWord(kind: PeerKind): "person" | "program" | undefined {
  if (kind === PeerKind.PERSON) return "person";
  return kind === PeerKind.AGENT ? undefined : "program";
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds from `90`, `"90"`, `"90s"`, `"10m"`, `"2h"` or `"1d"`; undefined from anything else. */
export function readSeconds(value: number | string): number | undefined {
  const match = /^\s*(\d+)\s*([smhd]?)\s*$/i.exec(String(value));
  if (match === null) return undefined;
  return Number(match[1]) * (unitSeconds[match[2]?.toLowerCase() || "s"] ?? 1);
}

/** A time in whole seconds, for example `2026-11-22T17:56:53Z`; undefined where there is none. */
export function wireTime(timestamp: Timestamp | undefined): string | undefined {
  if (timestamp === undefined) return undefined;
  return `${timestampDate(timestamp).toISOString().slice(0, 19)}Z`;
}
