import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { isIdEnd, shortId } from "./ids.js";
import { fold, isReserved, withSuffix } from "./names.js";

/** The name that is made of a project's or a user's name when none is asked for. It never fails. */
export function automaticName(text: string, kind: PeerKind): string {
  const { name } = fold(text);
  if (name === "") return "peer";
  const word = kindWords[kind] ?? "program";
  if (isIdEnd(name)) return withSuffix(shortId(name), word);
  return isReserved(name) ? withSuffix(name, word) : name;
}

const kindWords: Partial<Record<PeerKind, string>> = {
  [PeerKind.AGENT]: "agent",
  [PeerKind.PERSON]: "person",
};
