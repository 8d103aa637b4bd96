import { Reach } from "../../../gen/peerline/v1/peer_pb.js";

/** How a message sent now reaches a peer, as a clause: what a value unknown here means is "stored". */
export function reachClause(reach: Reach): string {
  if (reach === Reach.WAKES) return "woken now";
  return reach === Reach.NEXT_TURN ? "seen at its next turn" : "stored until it asks for its mail";
}

/** The same in a table. */
export function reachLabel(reach: Reach): string {
  if (reach === Reach.WAKES) return "wakes";
  return reach === Reach.NEXT_TURN ? "next turn" : "stored";
}
