import { PeerScope } from "../../../gen/peerline/v1/broker_service_pb.js";
import type { Peer } from "../../../gen/peerline/v1/peer_pb.js";
import { peerText } from "../../contract/peer-text.js";
import { otherOwnersNote } from "../known-peers.js";
import { maxListedPeers } from "../limits.js";
import { AdapterError } from "../refusal.js";
import { wireTime, kindWord, reachWord } from "../words.js";
import { defineTool, listPeersDefinition } from "./definitions.js";

const scopes = {
  all: PeerScope.ALL,
  machine: PeerScope.MACHINE,
  repository: PeerScope.REPOSITORY,
  directory: PeerScope.DIRECTORY,
} as const;

export const listPeers = defineTool(
  listPeersDefinition,
  async ({ scope = "all", online_only = false }, { line, identity, known, cwd, signal }) => {
    if (cwd === undefined && (scope === "repository" || scope === "directory")) {
      throw new AdapterError(
        "BAD_PARAMETER",
        `Your working directory was removed, so your ${scope} is not known: set scope to all or machine.`,
      );
    }
    const request = {
      scope: scopes[scope],
      onlineOnly: online_only,
      // The caller is among them.
      pageSize: maxListedPeers + 1,
    };
    const { peers, totalSize } = await line.call(
      (client, options) => client.listPeers(request, options),
      signal,
    );
    const you = identity.peer;
    const others = peers.filter(({ peerId }) => peerId !== you?.peerId).slice(0, maxListedPeers);
    const more = totalSize - others.length - 1;
    return {
      you: { name: you?.name },
      peers: others.map((peer) => describePeer(peer, you?.profile?.host)),
      more: more > 0 ? more : undefined,
      note: otherOwnersNote(
        others.filter(({ name, peerId }) => known.show(name, peerId)).map(({ name }) => name),
      ),
    };
  },
);

function describePeer(peer: Peer, ownHost: string | undefined) {
  const { name, kind, profile, online, reach, waitingMessages } = peer;
  return {
    name,
    kind: kindWord(kind),
    client: said(profile?.clientName),
    host: profile?.host === ownHost ? undefined : said(profile?.host),
    cwd: said(profile?.cwd),
    branch: said(profile?.branch),
    summary: said(profile?.summary),
    online,
    last_seen: online ? undefined : wireTime(peer.lastSeenTime),
    reach: reachWord(reach),
    waiting: Number(waitingMessages) || undefined,
  };
}

/** What a peer says of itself; undefined when it says nothing. */
function said(text: string | undefined): string | undefined {
  return text ? peerText(text) : undefined;
}
