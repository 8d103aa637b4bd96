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
